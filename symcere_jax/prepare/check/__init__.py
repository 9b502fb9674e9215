"""Whether a prepared folder keeps what it promises."""

from collections.abc import Callable, Iterator

import pyarrow as pa

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.prepare.check import files, splits

Check = Callable[[ReviewDataset], Iterator[str]]

CHECKS: dict[str, Check] = {
    "checksums": files.check_files,
    "tables": files.check_tables,
    "counts": files.check_counts,
    "ids": files.check_ids,
    "reviews": files.check_reviews,
    "k-core": files.check_core,
    "no held-out edge in train": splits.check_held_out_edges,
    "split policy": splits.check_policy,
}

# What reading a file of arbitrary content may raise.
_DAMAGE = (DataError, OSError, pa.ArrowException, LookupError, TypeError, ValueError, OverflowError)


def problems_of(dataset: ReviewDataset, check: Check) -> list[str]:
    """All that a check finds; one problem more where a file is too damaged for it to go on."""
    problems = []
    try:
        for problem in check(dataset):
            problems.append(problem)
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        problems.append(f"cannot be checked to the end ({reason})")
    return problems
