"""The cores that this process may use, which are not always all that the machine has."""

import os


def usable_cores() -> int:
    """Number of cores that the system lets this process run on; XLA makes as many threads."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
