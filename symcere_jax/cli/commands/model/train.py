r"""Trains SymCERE on a prepared folder.

With the defaults, on any prepared folder:

  python launch/train.py --dataset=data/shop --workdir=runs/shop

This trains several experts one after another and adds their scores, with weights chosen on the
validation split. To train the model of the paper alone:

  python launch/train.py --dataset=data/shop --workdir=runs/aligned --experts=aligned

With the settings of a file, and one of them changed:

  python launch/train.py --flagfile=configs/tripadvisor.flags --seed=1 --workdir=runs/seed_1

Ctrl-C or SIGTERM writes a checkpoint and ends with status 75. The same command then resumes; a
killed run resumes from its last checkpoint (--checkpoint_seconds). With more --epochs or
--patience, a complete run continues. The workdir gets the model, in checkpoints/, and flags.txt.
Each expert has checkpoints, metrics.jsonl and TensorBoard events (if TensorBoard is installed), in
experts/ if there are several. To repeat a run:

  python launch/train.py --flagfile=runs/shop/flags.txt --workdir=runs/shop_again

From an earlier model, after prepare --append has added reviews:

  python launch/train.py --dataset=data/shop --workdir=runs/shop_2 --warm_start=runs/shop
"""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from symcere_jax import hints
from symcere_jax.cli import distributed, field_flags, startup, training_runs
from symcere_jax.files import write_text
from symcere_jax.settings import (
    KEEP,
    NEIGHBORS,
    SECONDS_BETWEEN_CHECKPOINTS,
    TRACKERS,
    ResolvedSettings,
    Settings,
)

if TYPE_CHECKING:
    from symcere_jax.data import ReviewDataset
    from symcere_jax.training import TrainResult


_DATASET = flags.DEFINE_string("dataset", None, "prepared folder to train on", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run", required=True)
_RESUME = flags.DEFINE_bool(
    "resume", True, "resume the run of the workdir; --noresume refuses a workdir that holds a run"
)
_CPU_DEVICES = flags.DEFINE_integer(
    "cpu_devices", 1, "devices to simulate on a CPU; one device uses all cores", 1
)
_WARM_START = flags.DEFINE_string(
    "warm_start", None, "workdir of an earlier run to start from, after prepare --append"
)
_KEEP_CHECKPOINTS = flags.DEFINE_integer(
    "keep_checkpoints", KEEP, "checkpoints to keep; if one is damaged, the previous one is used", 1
)
_CHECKPOINT_SECONDS = flags.DEFINE_float(
    "checkpoint_seconds",
    SECONDS_BETWEEN_CHECKPOINTS,
    "seconds between checkpoints; a killed run loses no more than that",
    0.0,
)
_TRACKER = flags.DEFINE_enum(
    "tracker",
    None,
    TRACKERS,
    "also log settings and metrics there (pip install 'symcere-jax[mlflow]' or '…[wandb]'); events "
    "for TensorBoard are in the workdir anyway",
)
_SETTINGS = field_flags.define(Settings)

FLAGS_FILE = "flags.txt"


def main() -> None:
    """Trains, and prints how the run ended."""
    import jax

    from symcere_jax.cli.progress import ProgressBar
    from symcere_jax.cli.tracking import Tracker
    from symcere_jax.models import resolve
    from symcere_jax.training import train
    from symcere_jax.training.multiprocess import run_on_all

    folder, workdir = Path(_DATASET.value), Path(_WORKDIR.value)
    if _CPU_DEVICES.value > 1:
        jax.config.update("jax_num_cpu_devices", _CPU_DEVICES.value)
    distributed.join()
    settings = field_flags.read(Settings, _SETTINGS)
    dataset = run_on_all(lambda: training_runs.open_dataset(folder))
    if jax.process_index() == 0:
        _say_experts(resolve(settings, dataset), dataset)
    # Not before the run has begun: the workdir may be that of another one, or in use.
    tracker = Tracker(_TRACKER.value, workdir, settings) if _TRACKER.value else None
    bar = ProgressBar(settings, on_start=lambda: _write_flags(workdir), tracker=tracker)
    with training_runs.stop_on_signals() as stop, contextlib.closing(bar):
        result = train(
            settings,
            dataset,
            workdir,
            resume=_RESUME.value,
            warm_start=_WARM_START.value,
            keep_checkpoints=_KEEP_CHECKPOINTS.value,
            checkpoint_seconds=_CHECKPOINT_SECONDS.value,
            observer=bar,
            should_stop=stop.is_set,
        )
    if jax.process_index() == 0:
        print(_describe(result, folder, workdir))
    if result.stop == "request":
        sys.exit(startup.PREEMPTED)


def _say_experts(settings: ResolvedSettings, dataset: "ReviewDataset") -> None:
    """Says which experts there are, if several, and why neighbors are not among them."""
    from symcere_jax.models import defaults

    names = settings.expert_names
    if len(names) == 1:
        return
    without = ""
    if NEIGHBORS not in names and dataset.n_items > defaults.MAX_ITEMS:
        without = f" (without neighbors: the catalog has more than {defaults.MAX_ITEMS:,} items)"
    startup.say(f"experts: {', '.join(names)}{without}")


def _write_flags(workdir: Path) -> None:
    """Writes what repeats the run, whatever flag files its settings came from."""
    names = ["dataset", "workdir", "warm_start", "cpu_devices", "keep_checkpoints",
             "checkpoint_seconds", "tracker"]  # fmt: skip
    text = "".join(
        flags.FLAGS[name].serialize() + "\n"
        for name in [*names, *_SETTINGS]
        if flags.FLAGS[name].value is not None
    )
    write_text(workdir / FLAGS_FILE, text)


def _describe(result: "TrainResult", folder: Path, workdir: Path) -> str:
    if result.stop == "request":
        return f"stopped after {result.epochs} epochs; the same command resumes"
    score = "" if result.best_score is None else f", valid ndcg@10 {result.best_score:.4f}"
    done = f"trained {result.epochs} epochs in {result.seconds:.0f} s"
    best = f"best: epoch {result.best_epoch}"
    if result.weights:
        parts = (f"{name} {weight:.2f}" for name, weight in result.weights.items())
        done, best = f"trained in {result.seconds:.0f} s", f"weights: {', '.join(parts)}"
    return (
        f"{done}; {best}{score}\n"
        f"checkpoints and logs: {workdir}\n"
        f"next: {hints.command('evaluate', workdir=workdir, dataset=folder, split='test')}"
    )
