"""Parallelism over the devices of all processes: the only module that knows `jax.pmap`.

Message passing never mixes the columns of the embeddings. So each device holds its share of the
columns of all nodes, with their optimizer state, passes their messages and updates them, without
any exchange. The losses read whole rows of a few nodes, which are gathered from
all devices; their gradients go back the same way.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import numpy as np

from symcere_jax.models import NODE_PARAMS, Columns
from symcere_jax.models.column_shard import AXIS


def map_devices(
    function: Callable,
    in_axes: Any,
    *,
    donate: int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> jax.stages.Wrapped:
    """Compiles a function that every device runs on its part of the arguments.

    Args:
        function: may use the collectives of this module.
        in_axes: for each argument, 0 if it has a leading axis of devices, None if all share it.
        donate: number of an argument whose buffers the result takes over.
        devices: that run it; all there are, unless they are given.
    """
    donated = () if donate is None else (donate,)
    return jax.pmap(
        function, axis_name=AXIS, in_axes=in_axes, donate_argnums=donated, devices=devices
    )


def sum_over_devices(tree: Any) -> Any:
    """Sums each leaf over the devices; inside `map_devices`."""
    return jax.lax.psum(tree, AXIS)


def sum_gradients(gradients: dict[str, Any]) -> dict[str, Any]:
    """Sums gradients over the devices, except for the columns of which a device has the whole."""
    shared = {name: tree for name, tree in gradients.items() if name != NODE_PARAMS}
    return gradients | sum_over_devices(shared)


def local_rows(rows: jax.Array, n_devices: int) -> jax.Array:
    """This device's share `[b // n_devices, …]` of rows `[b, …]` that every device has."""
    share = rows.shape[0] // n_devices
    return jax.lax.dynamic_slice_in_dim(rows, jax.lax.axis_index(AXIS) * share, share)


def replicate(tree: Any) -> Any:
    """Copies a pytree of arrays to every local device: leaves get a leading axis of devices."""
    # pmap asks for a mapped argument; the device numbers serve as one. The axis has the name that
    # it has in the train steps: arrays of another sharding would have them compiled once more.
    numbers = np.arange(jax.local_device_count())
    return _copy_to_devices()(numbers, tree)


@functools.cache
def _copy_to_devices() -> jax.stages.Wrapped:
    return map_devices(lambda _, tree: tree, (0, None))


def distribute(tree: Any, width: int) -> Any:
    """Copies a pytree to every local device, but gives each its columns of `NODE_PARAMS`.

    Args:
        tree: parameters, or a state that contains them, such as that of the optimizer.
        width: columns of whole embeddings.
    """
    columns = Columns(width, jax.device_count())
    return _map_node_params(columns, "slice")(np.arange(jax.local_device_count()), tree)


def collect(tree: Any, width: int) -> Any:
    """The pytree that `distribute` has distributed, on the first device."""
    if jax.device_count() > 1:
        gather = _map_node_params(Columns(width, jax.device_count()), "gather")
        tree = gather(np.arange(jax.local_device_count()), tree)
    return jax.tree.map(lambda leaf: leaf[0], tree)


@functools.lru_cache(maxsize=8)  # each is compiled once
def _map_node_params(
    columns: Columns, method: Literal["slice", "gather"]
) -> Callable[[np.ndarray, Any], Any]:
    """Applies a method of the columns to the node parameters of a tree, on every device."""

    def map_leaf(path: tuple, leaf: jax.Array) -> jax.Array:
        names = {getattr(key, "key", None) for key in path}
        return getattr(columns, method)(leaf) if NODE_PARAMS in names else leaf

    return map_devices(
        lambda _, tree: jax.tree_util.tree_map_with_path(map_leaf, tree),
        (0, None if method == "slice" else 0),
    )
