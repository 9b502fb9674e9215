"""Several processes that train one model, through `jax.distributed`.

Every process takes the same decisions at the same step: what one alone can know (its clock, a
signal, a score to the last bit) is agreed upon. The first process alone writes the workdir.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from symcere_jax.errors import SymcereError

_WORDS_BYTES = 4096  # of the message of an error, at most

T = TypeVar("T")


def is_first() -> bool:
    """Whether this process writes what the run leaves."""
    return jax.process_index() == 0


def of_first(value: float) -> float:
    """The value that the first process has."""
    if jax.process_count() == 1:
        return value
    words = np.array([value]).view(np.uint32)  # JAX would round a float64
    return float(np.asarray(multihost_utils.broadcast_one_to_all(words)).view(np.float64)[0])


def anywhere(flag: bool) -> bool:
    """Whether a flag is set in any process."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.array(flag)).any())


def in_all(call: Callable[[], T]) -> T:
    """What a function returns that each process calls by itself.

    What is wrong in one is an error in all: none is left waiting for it.

    Args:
        call: does nothing that waits for other processes.

    Raises:
        SymcereError: it has raised an exception in another process.
        Exception: that itself, in the process that raised it.
    """
    said, failure = b"", None
    try:
        found = call()
    except Exception as error:
        is_told = isinstance(error, SymcereError | OSError) and str(error)
        words = str(error) if is_told else repr(error)  # never empty: that would be no error
        said, failure = words.encode(errors="replace")[:_WORDS_BYTES], error
    padded = np.frombuffer(said.ljust(_WORDS_BYTES, b"\0"), np.uint8)
    heard = multihost_utils.process_allgather(padded)
    if failure is not None:
        raise failure
    for number, row in enumerate(heard):
        if row.any():
            words = row.tobytes().rstrip(b"\0").decode(errors="replace")
            raise SymcereError(f"process {number}: {words}")
    return found


def by_first(call: Callable[[], object]) -> None:
    """Has the first process alone do something, for which the others wait.

    Raises:
        SymcereError: it went wrong; in the first process itself the exception that it raised.
    """
    if jax.process_count() == 1:
        call()
    else:
        in_all(call if is_first() else lambda: None)


def first_then_others(call: Callable[[], T]) -> T:
    """What a function returns that the first process calls, and then the others.

    Raises:
        SymcereError: it went wrong in another process; in that one the exception that it raised.
    """
    if jax.process_count() == 1:
        return call()
    for mine in (is_first(), not is_first()):
        if mine:
            found = in_all(call)
        else:
            in_all(lambda: None)
    return found
