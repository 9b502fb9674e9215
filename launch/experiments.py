"""What the binaries of many runs share: their flags, and how they stop."""

import signal
import sys
import threading
from pathlib import Path

from absl import flags

from launch import settings
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError

DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
WORKDIR = flags.DEFINE_string("workdir", None, "folder of all the runs", required=True)
PROCESSES = flags.DEFINE_integer("processes", 1, "runs at a time, each in a process", 1)
PREPARE = flags.DEFINE_string(
    "prepare",
    "--source=table --input=REVIEWS.jsonl",
    "flags of data_prep/prepare.py that make the dataset; named where it is missing",
)
SETTINGS = settings.define()

PREEMPTED = 75  # EX_TEMPFAIL: try again


def load_dataset() -> ReviewDataset:
    """Opens the prepared folder.

    Raises:
        DataError: it is missing or damaged.
    """
    folder = Path(DATASET.value)
    if not folder.exists():
        raise DataError(
            f"no prepared folder at {folder}: make it with "
            f"python data_prep/prepare.py {PREPARE.value} --output={folder}"
        )
    return ReviewDataset.load(folder)


def stop_on_signals() -> threading.Event:
    """An event that the first SIGINT or SIGTERM sets; the second one acts as usual."""
    stop = threading.Event()

    def request(number: int, frame: object) -> None:
        print("\nstopping after a checkpoint; again to stop at once", file=sys.stderr)
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGINT, request)
    signal.signal(signal.SIGTERM, request)
    return stop
