"""Flags of a run on several processes, such as one per machine, through `jax.distributed`."""

import logging

from absl import flags

from symcere_jax.errors import ConfigError

_DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    False,
    "train together with other processes; on Cloud TPU and under Slurm they find each other; "
    "elsewhere, give --coordinator, --process_count and --process_index",
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "host:port of the first process, the same for all; implies --distributed"
)
_PROCESS_COUNT = flags.DEFINE_integer("process_count", None, "number of processes", 1)
_PROCESS_INDEX = flags.DEFINE_integer("process_index", None, "number of this process, from 0", 0)


def join() -> None:
    """Joins the other processes, if there are any; before anything is computed.

    Raises:
        ConfigError: the flags do not go together, or the processes do not find each other.
    """
    address, count, index = _COORDINATOR.value, _PROCESS_COUNT.value, _PROCESS_INDEX.value
    if address is not None and count is not None and index is not None:
        if index >= count:
            raise ConfigError(f"--process_index={index} must be below --process_count={count}")
    elif not (address is count is index is None):
        raise ConfigError("--coordinator, --process_count and --process_index go together")
    elif not _DISTRIBUTED.value:
        return
    import jax

    logging.getLogger("jax._src.distributed").setLevel(logging.WARNING)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(address, count, index)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"the processes cannot find each other ({reason}): give --coordinator=HOST:PORT, "
            "--process_count and --process_index to each"
        ) from error
