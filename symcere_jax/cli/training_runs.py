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


def open_dataset(folder: Path) -> "ReviewDataset":
    """Opens a prepared folder.

    Raises:
        DataError: it is missing or damaged.
    """
    from symcere_jax.data import ReviewDataset  # not for --help

    if not folder.exists():
        known = Path("configs/prepare", f"{folder.name}.flags")
        source = f"--flagfile={known}" if known.exists() else "--source=table"
        has_input = known.exists() and "\n--input=" in known.read_text(encoding="utf-8")
        flags = [source] if has_input else [source, "--input=REVIEWS"]
        command = hints.command("prepare", *flags, output=folder)
        raise DataError(f"no prepared folder at {folder}: make it with {command}")
    return ReviewDataset.load(folder)


def stop_on_signals(when: str = "after a checkpoint") -> threading.Event:
    """An event that the first SIGINT or SIGTERM sets; the second one acts as usual."""
    stop = threading.Event()

    def request(number: int, frame: object) -> None:
        startup.say(f"\nstopping {when}; again to stop at once")
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGINT, request)
    signal.signal(signal.SIGTERM, request)
    return stop
