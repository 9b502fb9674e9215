r"""Trains SymCERE on a prepared folder.

With the defaults, on any prepared folder:

  python launch/train.py --dataset=data/shop --workdir=runs/shop

With the settings of a file, some of them overridden:

  python launch/train.py --flagfile=configs/tripadvisor.flags --seed=1 --workdir=runs/seed_1

Stopped by Ctrl-C or SIGTERM, it writes a checkpoint and ends with status 75; the same command goes
on from there, and killed, from the last checkpoint (--checkpoint_seconds). With more --epochs or
--patience it goes on for longer. The workdir gets checkpoints, how much neighbours count
(neighbors.json), metrics.jsonl, TensorBoard events and flags.txt, which repeats the run:

  python launch/train.py --flagfile=runs/shop/flags.txt --workdir=runs/shop_again

Reviews came in, and data_prep/prepare.py --append added them; this starts from the earlier model:

  python launch/train.py --dataset=data/shop --workdir=runs/shop_2 --warm_start=runs/shop
"""

import sys
from pathlib import Path

import jax
from absl import flags

from symcere_jax.cli import app as cli
from symcere_jax.cli import distributed as processes
from symcere_jax.cli import field_flags, training_runs
from symcere_jax.cli.progress import ProgressBar
from symcere_jax.files import write_text
from symcere_jax.settings import Settings
from symcere_jax.training import KEEP, SECONDS_BETWEEN_CHECKPOINTS, TrainResult, train
from symcere_jax.training.processes import in_all

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder to train on", required=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "folder of the run: checkpoints and logs", required=True
)
_RESUME = flags.DEFINE_bool(
    "resume", True, "go on with the run of the workdir; --noresume refuses a workdir with a run"
)
_CPU_DEVICES = flags.DEFINE_integer(
    "cpu_devices",
    1,
    "devices to make of the cores of a CPU, which share each step; JAX lets one device use all "
    "cores, so that more are seldom faster",
    1,
)
_WARM_START = flags.DEFINE_string(
    "warm_start", None, "workdir of an earlier run to start from, after prepare.py --append"
)
_KEEP_CHECKPOINTS = flags.DEFINE_integer(
    "keep_checkpoints",
    KEEP,
    "latest checkpoints to keep; where the newest is damaged, the run goes on from the one before",
    1,
)
_CHECKPOINT_SECONDS = flags.DEFINE_float(
    "checkpoint_seconds",
    SECONDS_BETWEEN_CHECKPOINTS,
    "seconds between two checkpoints: what a run that is killed has to do again",
    0.0,
)
_PREPARE = flags.DEFINE_string("prepare", training_runs.PREPARE_DEFAULT, training_runs.PREPARE_HELP)
_SETTINGS = field_flags.define(Settings)

FLAGS_FILE = "flags.txt"


def main() -> None:
    """Trains, and prints how the run ended."""
    folder, workdir = Path(_DATASET.value), Path(_WORKDIR.value)
    if _CPU_DEVICES.value > 1:
        jax.config.update("jax_num_cpu_devices", _CPU_DEVICES.value)
    processes.join()
    config = field_flags.read(Settings, _SETTINGS)
    dataset = in_all(lambda: training_runs.open_dataset(folder, _PREPARE.value))
    stop = training_runs.stop_on_signals()
    # Not before the run has begun: the workdir may be that of another one, or in use.
    bar = ProgressBar(on_start=lambda: _write_flags(workdir))
    try:
        result = train(
            config,
            dataset,
            workdir,
            resume=_RESUME.value,
            warm_start=_WARM_START.value,
            keep_checkpoints=_KEEP_CHECKPOINTS.value,
            checkpoint_seconds=_CHECKPOINT_SECONDS.value,
            observer=bar,
            should_stop=stop.is_set,
        )
    finally:
        bar.close()
    if jax.process_index() == 0:
        print(_describe(result, folder, workdir))
    if result.stop == "request":
        sys.exit(cli.PREEMPTED)


def _write_flags(workdir: Path) -> None:
    """Writes what repeats the run, whatever flag files its settings came from."""
    names = ["dataset", "workdir", "prepare", "warm_start", "cpu_devices", "keep_checkpoints",
             "checkpoint_seconds"]  # fmt: skip
    text = "".join(
        flags.FLAGS[name].serialize() + "\n"
        for name in [*names, *_SETTINGS]
        if flags.FLAGS[name].value is not None
    )
    write_text(workdir / FLAGS_FILE, text)


def _describe(result: TrainResult, folder: Path, workdir: Path) -> str:
    if result.stop == "request":
        return f"stopped after {result.epochs} epochs; the same command goes on from there"
    score = "" if result.best_score is None else f", valid ndcg@10 {result.best_score:.4f}"
    if result.neighbor_weight:
        score += f" with neighbours of weight {result.neighbor_weight:g}"
    return (
        f"trained {result.epochs} epochs in {result.seconds:.0f} s; "
        f"best: epoch {result.best_epoch}{score}\n"
        f"checkpoints and logs: {workdir}\n"
        f"next: python launch/evaluate.py --workdir={workdir} --dataset={folder} --split=test"
    )


def run() -> None:
    """The installed command."""
    cli.run(main)
