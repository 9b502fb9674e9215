"""What faults are injected into: each command at work on a little data, and what it makes of it."""

import csv
import dataclasses
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from symcere_jax.training.metric_log import read_metric_log
from tests.text.hub.models import make_model, write_sentence_settings

ROOT = Path(__file__).parents[2]
DATA = ("--source=synthetic", "--synthetic_users=400", "--synthetic_items=120", "--text_width=16")
MODEL = {
    **{"epochs": 6, "patience": 6, "batch_size": 256, "steps_per_call": 2, "embedding_dim": 8},
    **{"n_layers": 1, "propagation": "segment", "cross_modal_weight": 0, "user_ranking_weight": 0},
    **{"embedding_learning_rate": 0.01},
}
STUDY = MODEL | {"experts": "aligned", "epochs": 2}  # of each run of a study
VARIANTS = {"full": {}, "no_text": {"text_encoder": "none", "experts": "graph"}}
EXPERT = "experts/aligned"  # of a run, the folder with the run of its last trained expert


@dataclasses.dataclass
class Program:
    """A command at work.

    Attributes:
        script: that starts it.
        room: folder of the folders that it works in.
        arguments: of the folder to work in.
        result: what it made: name -> digest.
        leaves: names of what is in the folder at the end, besides locks.
        given: copied into a new folder, if there is such.
        is_done: whether the command, stopped, had finished an output that it refuses to make again.
        seconds: that the last run without faults took.
    """

    script: str
    room: Path
    arguments: Callable[[Path], Sequence[str]]
    result: Callable[[Path], dict[str, str]]
    leaves: frozenset[str]
    given: Path | None = None
    is_done: Callable[[Path], bool] = lambda folder: False
    seconds: float = 0.0
    _n_folders: int = 0

    @property
    def name(self) -> str:
        return Path(self.script).stem

    @functools.cached_property
    def reference(self) -> Path:
        """A folder where it has run without faults."""
        return self._timed_run()

    @functools.cached_property
    def expected(self) -> dict[str, str]:
        return self.result(self.reference)

    def repeat(self) -> None:
        """Runs again without faults: to the same result, and timed with programs compiled."""
        assert self.expected
        assert self.differences(self._timed_run()) == [], f"{self.name}: two runs differ"

    def new_folder(self) -> Path:
        """A folder with what the command needs."""
        self._n_folders += 1
        folder = self.room / f"{self.name}_{self._n_folders}"
        folder.mkdir(parents=True)
        if self.given:
            shutil.copytree(self.given, folder / self.given.name)
        return folder

    def _timed_run(self) -> Path:
        folder, start = self.new_folder(), time.monotonic()
        self.finish(folder)
        self.seconds = time.monotonic() - start
        return folder

    def start(self, folder: Path, *more: str, python: str = sys.executable) -> subprocess.Popen:
        """Starts it; all runs share what JAX compiled."""
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": str(ROOT),
            "JAX_COMPILATION_CACHE_DIR": str(self.room / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        command = [python, str(ROOT / self.script), *self.arguments(folder), *more]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def finish(self, folder: Path, *more: str, python: str = sys.executable) -> None:
        with self.start(folder, *more, python=python) as process:
            _, err = process.communicate()
        assert process.returncode == 0, f"{self.name}: status {process.returncode}\n{err}"

    def differences(self, folder: Path) -> list[str]:
        """Names of what is not as after a run without faults."""
        result = self.result(folder)
        names = [path.name for path in folder.iterdir() if not path.name.endswith("lock")]
        left = [f"leaves {name}" for name in names if name not in self.leaves]
        both = result.keys() | self.expected.keys()
        return left + sorted(n for n in both if result.get(n) != self.expected.get(n))


def digest_folder(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digest_run(workdir: Path) -> dict[str, str]:
    """Of all that training leaves: the newest checkpoints, and the metrics.

    Read by Orbax alone, since its files differ from run to run while the arrays must not.
    """
    digests = _digest_checkpoint(workdir)
    for expert in sorted((workdir / "experts").iterdir()):
        parts = _digest_checkpoint(expert)
        parts["metrics"] = repr([{**record, "seconds": 0} for record in read_metric_log(expert)])
        digests |= {f"{expert.name} {name}": digest for name, digest in parts.items()}
    return digests


def digest_study(workdir: Path) -> dict[str, str]:
    """Of the tables and scores of several runs, but for the seconds that they took."""
    scores = ("metrics_test.json", "per_user_test.npz", "ablation.json", "best.flags")
    digests = {name: part for name, part in digest_folder(workdir).items() if name.endswith(scores)}
    if (workdir / "trials.csv").exists():
        rows = csv.DictReader((workdir / "trials.csv").read_text().splitlines())
        digests["trials"] = repr([row | {"seconds": 0} for row in rows])
    return digests


def _digest_checkpoint(workdir: Path) -> dict[str, str]:
    newest = max((workdir / "checkpoints").iterdir(), key=lambda path: int(path.name))
    contents = json.loads((newest / "contents.json").read_text())
    digests = {"metadata": json.dumps(contents["metadata"])}
    for part in (path.parent for path in newest.glob("*/_METADATA")):
        with ocp.StandardCheckpointer() as checkpointer:
            tree = checkpointer.restore(part)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            name = f"{part.name}{jax.tree_util.keystr(path)}"
            digests[name] = hashlib.sha256(np.asarray(leaf).tobytes()).hexdigest()
    return digests


def programs(room: Path, **train_settings: object) -> dict[str, Program]:
    """The commands, on data that is made in a folder: a prepared folder, a language model, a run.

    Args:
        room: a new folder.
        **train_settings: of training, besides the usual ones.
    """
    settings = MODEL | {"checkpoint_seconds": 0.2} | train_settings
    prepare = Program(
        "data_prep/prepare.py",
        room,
        lambda folder: [*DATA, f"--output={folder / 'data'}", "--name=x"],
        lambda folder: digest_folder(folder / "data"),
        frozenset({"data"}),
        is_done=lambda folder: (folder / "data").exists(),
    )
    data = prepare.reference / "data"
    model = room / "model"
    make_model(model, "bert")
    write_sentence_settings(model, {"pooling_mode_mean_tokens": True})
    encode = Program(
        "data_prep/encode.py",
        room,
        lambda folder: [
            *(f"--dataset={folder / 'data'}", f"--text_cache={folder / 'cache'}"),
            *("--text_encoder=transformer", f"--text_model={model}", "--text_batch_tokens=512"),
        ],
        lambda folder: digest_folder(folder / "data"),
        frozenset({"data", "cache"}),
        given=data,
        is_done=lambda folder: '"transformer"' in (folder / "data/manifest.json").read_text(),
    )

    def run(script: str, result: Callable[[Path], dict[str, str]], *flags: str) -> Program:
        return Program(
            script,
            room,
            lambda folder: [f"--dataset={data}", f"--workdir={folder / 'run'}", *flags],
            lambda folder: result(folder / "run"),
            frozenset({"run"}),
        )

    train = run("launch/train.py", digest_run, *_flags(settings))
    in_python = MODEL | {"experts": "aligned,neighbors", "epochs": 3}
    fit = dataclasses.replace(
        train,
        script="tests/faults/fit.py",
        arguments=lambda folder: [str(data), str(folder / "run"), json.dumps(in_python)],
    )

    def trained() -> list[str]:
        return [f"--dataset={data}", f"--workdir={train.reference / 'run'}"]

    recommend = Program(
        "launch/recommend.py",
        room,
        lambda folder: [*trained(), f"--output={folder / 'all.csv'}", "--part_users=1"],
        digest_folder,
        frozenset({"all.csv"}),
        is_done=lambda folder: {path.name for path in folder.iterdir()} == {"all.csv"},
    )
    export = Program(
        "launch/export.py",
        room,
        lambda folder: [*trained(), f"--output={folder / 'model'}"],
        digest_folder,
        frozenset({"model"}),
    )
    tune = run(
        "launch/tune.py", digest_study, "--trials=3", "--space=dropout=0.2..0.4", *_flags(STUDY)
    )
    variants = room / "variants.json"
    variants.write_text(json.dumps(VARIANTS))
    ablate = run(
        "launch/ablate.py", digest_study, f"--variants={variants}", "--seeds=1", *_flags(STUDY)
    )
    methods = "--methods=popularity,ease,pure_svd"
    baselines = run("launch/baselines.py", digest_study, methods, "--budget=3", "--seeds=2")
    made = (prepare, encode, train, fit, recommend, export, tune, ablate, baselines)
    return {program.name: program for program in made}


def _flags(settings: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]
