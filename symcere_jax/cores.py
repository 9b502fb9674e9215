"""The cores that this process may use, which are not always all that the machine has."""

import os
from pathlib import Path


def usable_cores() -> int:
    """Number of cores that the system lets this process run on; XLA makes as many threads."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_fast_wide_vectors(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether vectors of 512 bits gain time: on AMD's CPUs that have them.

    Intel's may run slower with them; elsewhere, Linux does not tell of them.

    Args:
        cpuinfo: what Linux tells of the CPU.
    """
    try:
        told = cpuinfo.read_text(errors="replace")
    except OSError:
        return False
    return "AuthenticAMD" in told and "avx512f" in told.split()
