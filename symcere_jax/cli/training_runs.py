"""Opening a prepared folder, and stopping at a signal without losing work."""

import contextlib
import signal
import threading
from collections.abc import Iterator
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


@contextlib.contextmanager
def stop_on_signals(when: str = "after a checkpoint") -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM of a block sets; the second one acts as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # no signal arrives here
        return

    def request(number: int, frame: object) -> None:
        startup.say(f"\nstopping {when}; again to stop at once")
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    earlier = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
