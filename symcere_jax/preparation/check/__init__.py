"""Checks of a prepared folder."""

from collections.abc import Callable, Iterator

import pyarrow as pa

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.preparation.check import splits, stored_files

Check = Callable[[ReviewDataset], Iterator[str]]

CHECKS: dict[str, Check] = {
    "checksums": stored_files.check_files,
    "tables": stored_files.check_tables,
    "counts": stored_files.check_counts,
    "ids": stored_files.check_ids,
    "reviews": stored_files.check_reviews,
    "k-core": stored_files.check_core,
    "text features": stored_files.check_features,
    "no held-out edge in train": splits.check_held_out_edges,
    "split policy": splits.check_policy,
    "no near copy of what is held out": splits.check_near_copies,
}

# What reading a file of arbitrary content may raise.
_DAMAGE = (DataError, OSError, pa.ArrowException, LookupError, TypeError, ValueError, OverflowError)


def problems_of(dataset: ReviewDataset, check: Check) -> list[str]:
    """All that a check finds; one problem more where damage ends it."""
    problems = []
    try:
        for problem in check(dataset):
            problems.append(problem)
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        problems.append(f"cannot be checked to the end ({reason})")
    return problems
