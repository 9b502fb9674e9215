"""Several processes that train one model, through `jax.distributed`.

Every process makes the same decisions at the same step: they agree on what only one can know (its
clock, a signal, a score to the last bit). Only the primary process writes the workdir.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from symcere_jax.errors import ConfigError, SymcereError

_MESSAGE_BYTES = 4096  # of an error, at most

T = TypeVar("T")


def is_primary() -> bool:
    """Whether this process writes what the run leaves."""
    return jax.process_index() == 0


def broadcast_from_primary(value: float) -> float:
    """The value that the primary process has."""
    if jax.process_count() == 1:
        return value
    words = np.array([value]).view(np.uint32)  # JAX would round a float64
    return float(np.asarray(multihost_utils.broadcast_one_to_all(words)).view(np.float64)[0])


def any_process(flag: bool) -> bool:
    """Whether a flag is set in any process."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.array(flag)).any())


def run_on_all(call: Callable[[], T]) -> T:
    """Calls a function in every process; an error in one of them is an error in all.

    Args:
        call: does nothing that waits for other processes.

    Raises:
        SymcereError: it failed in another process.
        Exception: the exception itself, in the process that raised it.
    """
    if jax.process_count() == 1:
        return call()
    message, failure, result = b"", None, None
    try:
        result = call()
    except Exception as error:
        is_plain = isinstance(error, SymcereError | OSError) and str(error)
        text = str(error) if is_plain else repr(error)  # never empty: that would be no error
        message, failure = text.encode(errors="replace")[:_MESSAGE_BYTES], error
    padded = np.frombuffer(message.ljust(_MESSAGE_BYTES, b"\0"), np.uint8)
    messages = multihost_utils.process_allgather(padded)
    if failure is not None:
        raise failure
    for process, row in enumerate(messages):
        if row.any():
            text = row.tobytes().rstrip(b"\0").decode(errors="replace")
            raise SymcereError(f"process {process}: {text}")
    return result  # type: ignore[return-value]


def run_on_primary(call: Callable[[], object]) -> None:
    """Calls a function in the primary process, for which the others wait.

    Raises:
        SymcereError: it failed; in the primary process the exception that it raised.
    """
    run_on_all(call if is_primary() else lambda: None)


def run_on_primary_first(call: Callable[[], T]) -> T:
    """Calls a function in the primary process, and then in the others.

    Raises:
        SymcereError: it failed in another process.
        Exception: the exception itself, in the process that raised it.
    """
    if jax.process_count() == 1:
        return call()
    for is_turn in (is_primary(), not is_primary()):
        if is_turn:
            result = run_on_all(call)
        else:
            run_on_all(lambda: None)
    return result


def check_equal(text: str, what: str) -> None:
    """Raises an error if a text differs between processes.

    Args:
        text: at most 4,096 bytes.
        what: names it, for the message.

    Raises:
        ConfigError: it differs.
    """
    if jax.process_count() > 1:
        own = np.frombuffer(text.encode().ljust(_MESSAGE_BYTES, b"\0"), np.uint8)
        if (multihost_utils.process_allgather(own) != own).any():
            raise ConfigError(f"{what} differs between the processes: give all of them the same")
