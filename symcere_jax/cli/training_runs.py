"""Opening a prepared folder, and stopping at a signal without losing work."""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from symcere_jax import hints
from symcere_jax.cli import startup
from symcere_jax.errors import DataError

if TYPE_CHECKING:
    from symcere_jax.data import ReviewDataset

PREPARE_DEFAULT = "--source=table --input=REVIEWS.jsonl"
PREPARE_HELP = "flags of prepare that make the dataset, for the message if it is missing"


def open_dataset(folder: Path, prepare: str) -> "ReviewDataset":
    """Opens a prepared folder.

    Args:
        folder: where it should lie.
        prepare: flags of `symcere prepare` that make it.

    Raises:
        DataError: it is missing or damaged.
    """
    from symcere_jax.data import ReviewDataset  # not for --help

    if not folder.exists():
        raise DataError(
            f"no prepared folder at {folder}: make it with "
            + hints.command("prepare", prepare, output=folder)
        )
    return ReviewDataset.load(folder)


def stop_on_signals(when: str = "after a checkpoint") -> threading.Event:
    """An event that the first SIGINT or SIGTERM sets; the second one acts as usual.

    Args:
        when: the program will stop, for the message.
    """
    stop = threading.Event()

    def request(number: int, frame: object) -> None:
        startup.say(f"\nstopping {when}; again to stop at once")
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGINT, request)
    signal.signal(signal.SIGTERM, request)
    return stop
