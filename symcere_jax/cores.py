"""The CPU cores of this process."""

import os
from pathlib import Path


def usable_cores() -> int:
    """Number of cores that this process may run on; XLA starts as many threads."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_fast_wide_vectors(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether vectors of 512 bits gain time: on AMD's CPUs that have them; Intel's may slow down.

    Args:
        cpuinfo: Linux's description of the CPU.
    """
    try:
        description = cpuinfo.read_text(errors="replace")
    except OSError:
        return False
    return "AuthenticAMD" in description and "avx512f" in description.split()
