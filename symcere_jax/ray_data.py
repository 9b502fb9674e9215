"""Work on the machines of a Ray cluster.

Ray Data starts a worker for each GPU of the cluster, or for each CPU if it has no GPU. It schedules
the work, and repeats that of a worker that was killed.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from symcere_jax.errors import ConfigError, SymcereError
from symcere_jax.optional import require

Work = Callable[[int], np.ndarray]


def map_on_ray(work: Work, numbers: Sequence[int], address: str) -> Iterator[np.ndarray]:
    """Calls a function on the workers of a cluster, in each call with one number.

    Args:
        work: picklable. A worker keeps its copy from call to call.
        numbers: what it is called with.
        address: of the cluster, such as `auto` or `host:port`; `local` starts one on this machine.

    Yields:
        The results, in the order of the numbers; a large one may come in several parts.

    Raises:
        ConfigError: the extra `ray` is not installed, or there is no cluster at the address.
        SymcereError: `work` raised it.
    """
    # Ray reads these when it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "3")  # to connect, each of 40 seconds
    ray = require("ray", extra="ray")
    data = require("ray.data", extra="ray")
    if not len(numbers):
        return
    is_connected = ray.is_initialized()
    if not is_connected:
        _connect(ray, address)
    try:
        context = data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.raise_original_map_exception = True
        shared = ray.put(work)
        has_gpu = ray.cluster_resources().get("GPU", 0) > 0
        # Like the programs of one process, to the bit. A worker on a CPU has one thread; in the
        # cache, its programs would slow down those of other processes.
        environment = {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}
        if not has_gpu:
            environment |= {"NPROC": "1", "JAX_ENABLE_COMPILATION_CACHE": "false"}
        results = data.from_items(list(numbers), override_num_blocks=len(numbers)).map_batches(
            _Worker,
            fn_constructor_args=(shared,),
            batch_size=1,
            num_gpus=int(has_gpu),
            runtime_env={"env_vars": environment},
        )
        for batch in results.iter_batches(batch_size=None):
            yield batch["result"]
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, SymcereError) else error) from None
    finally:
        if not is_connected:
            ray.shutdown()


class _Worker:
    def __init__(self, shared: Any) -> None:
        self._work: Work = require("ray", extra="ray").get(shared)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        [number] = batch["item"]
        return {"result": self._work(int(number))}


def _connect(ray: Any, address: str) -> None:
    if address.startswith("ray://"):  # Ray Data needs the memory of a machine of the cluster
        raise ConfigError(
            f"--ray_address={address}: run this on a machine of the cluster, with auto instead"
        )
    handler = signal.getsignal(signal.SIGTERM)  # which Ray replaces
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal():  # Ray itself would wait for minutes
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        ray.init(address, include_dashboard=False)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"--ray_address={address}: no Ray cluster is there ({reason}); start one with its "
            "command ray start, or use local"
        ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
