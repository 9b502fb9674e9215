"""Flags that the binaries of many runs share."""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from symcere_jax.cli import field_flags, training_runs
from symcere_jax.settings import Settings

if TYPE_CHECKING:
    from symcere_jax.data import ReviewDataset

DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
WORKDIR = flags.DEFINE_string("workdir", None, "folder of all the runs", required=True)
PROCESSES = flags.DEFINE_integer(
    "processes", 1, "number of runs at a time, each in a process of its own", 1
)
PREPARE = flags.DEFINE_string("prepare", training_runs.PREPARE_DEFAULT, training_runs.PREPARE_HELP)
SETTINGS = field_flags.define(Settings)


def load_dataset() -> "ReviewDataset":
    """Opens the prepared folder.

    Raises:
        DataError: it is missing or damaged.
    """
    return training_runs.open_dataset(Path(DATASET.value), PREPARE.value)
