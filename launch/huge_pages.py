"""Memory in huge pages, for training on large graphs.

Message passing reads embeddings from all over the memory. In pages of 4 KiB, each of these reads
has to look up a page first. Linux gives pages of 2 MiB to a program that asks for them, and the C
library asks if it is told to when the program starts.
"""

import os
import sys
from pathlib import Path

# Interactions from which on it pays. Measured: a quarter of the time of thirty million, under a
# tenth of that of ten, nothing of one.
LARGE = 5_000_000
_MODE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_TUNABLES, _TUNABLE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"


def environment(mode: Path = _MODE) -> dict[str, str] | None:
    """The environment in which a program's memory is in huge pages.

    Args:
        mode: where Linux tells who gets them.

    Returns:
        What to start the program with; None where that changes nothing, or is so already.
    """
    given = os.environ.get(_TUNABLES, "")
    try:
        is_on_request = "[madvise]" in mode.read_text()
    except OSError:
        return None
    if not is_on_request or _TUNABLE in given:
        return None
    return os.environ | {_TUNABLES: ":".join(filter(None, [given, f"{_TUNABLE}=1"]))}


def restart(mode: Path = _MODE) -> None:
    """Starts this program again, as the same process, if that gives it huge pages.

    Args:
        mode: as of `environment`.
    """
    if there := environment(mode):
        sys.stdout.flush()
        os.execve(sys.executable, sys.orig_argv, there)
