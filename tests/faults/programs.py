"""What faults are injected into: each binary at work on a little data, and what it makes of it."""

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from symcere_jax.data import ReviewDataset
from symcere_jax.training import Checkpoints, loop
from symcere_jax.training.metric_log import read_metric_log

ROOT = Path(__file__).parents[2]
DATA = ("--source=synthetic", "--synthetic_users=400", "--synthetic_items=120", "--text_width=16")
TRAIN = (
    *("--epochs=12", "--patience=12", "--batch_size=256", "--steps_per_call=2"),
    *("--embedding_dim=8", "--n_layers=1", "--propagation=segment", "--cross_modal_weight=0"),
    *("--user_ranking_weight=0", "--embedding_learning_rate=0.01", "--checkpoint_seconds=0.2"),
)


@dataclasses.dataclass(frozen=True)
class Program:
    """A binary at work.

    Attributes:
        name: of the binary.
        arguments: of the folder to work in, after the script.
        setup: puts into a new folder what the binary needs.
        result: what it made: name -> digest.
        expected: names of what is in the folder at the end.
        made: a folder where it has run without faults, if it has.
        seconds: that it took.
    """

    name: str
    arguments: Callable[[Path], Sequence[str]]
    setup: Callable[[Path], None]
    result: Callable[[Path], dict[str, str]]
    expected: frozenset[str]
    made: Path | None = None
    seconds: float = 0.0

    def command(self, folder: Path, python: str = sys.executable) -> list[str]:
        """The command line."""
        room = "launch" if (ROOT / "launch" / f"{self.name}.py").exists() else "data_prep"
        return [python, str(ROOT / room / f"{self.name}.py"), *self.arguments(folder)]

    def start(self, folder: Path, *more: str, python: str = sys.executable) -> subprocess.Popen:
        """Starts it; the folder's neighbour `compiled` keeps compiled programs."""
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": str(ROOT),
            "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        return subprocess.Popen(
            [*self.command(folder, python), *more],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def finish(self, folder: Path, *more: str, python: str = sys.executable) -> None:
        """Runs it to its end.

        Raises:
            AssertionError: it fails, or leaves something behind.
        """
        with self.start(folder, *more, python=python) as process:
            _, err = process.communicate()
        assert process.returncode == 0, f"{self.name}: status {process.returncode}\n{err}"
        left = {path.name for path in folder.iterdir()}
        assert left == self.expected, f"{self.name} leaves {sorted(left - self.expected)}"


def digest_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of each file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digest_run(workdir: Path, dataset: ReviewDataset) -> dict[str, str]:
    """Of all that training has come to: parameters, optimiser, best, progress, metrics."""
    metadata = Checkpoints(workdir).metadata()
    run = loop._Run(metadata.settings, dataset, workdir, 2)
    progress = run.restore(True)
    trees = {"state": run.state, "best": run.best_params}
    found = {
        f"{name}{jax.tree_util.keystr(path)}": hashlib.sha256(
            np.asarray(leaf).tobytes()
        ).hexdigest()
        for name, tree in trees.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    records = [{**record, "seconds": 0} for record in read_metric_log(workdir)]
    return found | {"progress": repr(progress), "metrics": repr(records)}


def programs(folder: Path) -> dict[str, Program]:
    """The binaries, on data that is made in a folder.

    Args:
        folder: new; gets a prepared folder, a small language model, and a trained run.
    """
    data, model, trained = folder / "data", folder / "model", folder / "trained"

    def nothing(place: Path) -> None:
        place.mkdir()

    def copy(place: Path) -> None:
        place.mkdir()
        shutil.copytree(data, place / "data")

    prepare = Program(
        "prepare",
        lambda place: [*DATA, f"--output={place / 'out'}", "--name=x"],
        nothing,
        lambda place: digest_folder(place / "out"),
        frozenset({"out"}),
    )
    encode = Program(
        "encode",
        lambda place: [
            f"--dataset={place / 'data'}", "--text_encoder=transformer", f"--text_model={model}",
            f"--text_cache={place / 'cache'}", "--text_batch_tokens=512",
        ],
        copy,
        lambda place: digest_folder(place / "data"),
        frozenset({"data", "cache"}),
    )  # fmt: skip
    train = Program(
        "train",
        lambda place: [f"--dataset={data}", f"--workdir={place / 'run'}", *TRAIN],
        nothing,
        lambda place: digest_run(place / "run", ReviewDataset.load(data)),
        frozenset({"run"}),
    )
    recommend = Program(
        "recommend",
        lambda place: [
            f"--dataset={data}", f"--workdir={trained / 'run'}", f"--output={place / 'all.csv'}",
            "--part_users=1",
        ],
        nothing,
        lambda place: digest_folder(place),
        frozenset({"all.csv"}),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    prepare = _run(prepare, folder / "made")
    shutil.copytree(folder / "made" / "out", data)
    _make_language_model(model)
    train = _run(train, trained)
    return {program.name: program for program in (prepare, encode, train, recommend)}


def _run(program: Program, place: Path) -> Program:
    """Runs a binary without faults; the binary with what it made."""
    start = time.monotonic()
    program.setup(place)
    program.finish(place)
    return dataclasses.replace(program, made=place, seconds=time.monotonic() - start)


def _make_language_model(folder: Path) -> None:
    from tests.text.hub.models import make_model, write_sentence_settings

    make_model(folder, "bert")
    write_sentence_settings(folder, {"pooling_mode_mean_tokens": True})
