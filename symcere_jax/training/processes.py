"""Several processes that train one model, through `jax.distributed`.

Every process takes the same decisions at the same step: what one alone can know (its clock, a
signal, a score to the last bit) is agreed upon. The first process alone writes the workdir.
"""

import jax
import numpy as np
from jax.experimental import multihost_utils


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


def wait_for_all(name: str) -> None:
    """Returns when every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
