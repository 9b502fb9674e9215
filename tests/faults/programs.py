"""What faults are injected into: each binary at work on a little data, and what it makes of it."""

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from symcere_jax.training.metric_log import read_metric_log
from tests.text.hub.models import make_model, write_sentence_settings

ROOT = Path(__file__).parents[2]
DATA = ("--source=synthetic", "--synthetic_users=400", "--synthetic_items=120", "--text_width=16")
TRAIN = (
    "--experts=aligned,neighbors",
    *("--epochs=12", "--patience=12", "--batch_size=256", "--steps_per_call=2"),
    *("--embedding_dim=8", "--n_layers=1", "--propagation=segment", "--cross_modal_weight=0"),
    *("--user_ranking_weight=0", "--embedding_learning_rate=0.01", "--checkpoint_seconds=0.2"),
)
EXPERT = "experts/aligned"  # of a run, the folder with the run of its expert


@dataclasses.dataclass
class Program:
    """A binary at work.

    Attributes:
        script: of the binary.
        room: folder of the folders that it works in.
        arguments: of the folder to work in.
        result: what it made: name -> digest.
        leaves: names of what is in the folder at the end, besides locks.
        given: copied into a new folder, if there is such.
        is_done: whether the output was complete when the binary was stopped.
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
        """A folder with what the binary needs."""
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
    whole, expert = (_digest_checkpoint(folder) for folder in (workdir, workdir / EXPERT))
    records = [{**record, "seconds": 0} for record in read_metric_log(workdir / EXPERT)]
    digests = {f"expert {name}": digest for name, digest in expert.items()}
    return whole | digests | {"metrics": repr(records)}


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


def programs(room: Path) -> dict[str, Program]:
    """The binaries, on data that is made in a folder: a prepared folder, a language model, a run.

    Args:
        room: a new folder.
    """
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
    train = Program(
        "launch/train.py",
        room,
        lambda folder: [f"--dataset={data}", f"--workdir={folder / 'run'}", *TRAIN],
        lambda folder: digest_run(folder / "run"),
        frozenset({"run"}),
    )
    recommend = Program(
        "launch/recommend.py",
        room,
        lambda folder: [
            *(f"--dataset={data}", f"--workdir={train.reference / 'run'}"),
            *(f"--output={folder / 'all.csv'}", "--part_users=1"),
        ],
        digest_folder,
        frozenset({"all.csv"}),
        is_done=lambda folder: {path.name for path in folder.iterdir()} == {"all.csv"},
    )
    return {program.name: program for program in (prepare, encode, train, recommend)}
