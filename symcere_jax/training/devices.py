"""Parallelism over the devices of this process, by `jax.pmap`."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from symcere_jax.models import NODE_PARAMS, Columns

AXIS = "data"


def replicate(tree: Any) -> Any:
    """Copies a pytree of arrays to every local device: leaves get a leading axis of devices."""
    # pmap asks for a mapped argument; the device numbers serve as one. The axis has the name that
    # it has in the train steps: arrays of another sharding would have them compiled once more.
    numbers = np.arange(jax.local_device_count())
    return jax.pmap(lambda number, tree: tree, axis_name=AXIS, in_axes=(0, None))(numbers, tree)


def unreplicate(tree: Any) -> Any:
    """The first device's copy of a replicated pytree."""
    return jax.tree.map(lambda x: x[0], tree)


def distribute(tree: Any, columns: Columns) -> Any:
    """Copies a pytree to every local device, but of `NODE_PARAMS` gives each its columns.

    Args:
        tree: parameters, or a state that holds some, also of the optimiser.
        columns: how all devices share them.
    """
    return _mapped(columns, Columns.own)(np.arange(jax.local_device_count()), tree)


def collect(tree: Any, columns: Columns) -> Any:
    """The pytree, on the first device, that `distribute` gives back as this one."""
    if columns.n_devices == 1:
        return unreplicate(tree)
    join = _mapped(columns, Columns.whole, tree_axis=0)
    return unreplicate(join(np.arange(jax.local_device_count()), tree))


@functools.lru_cache(maxsize=8)  # each is compiled once
def _mapped(
    columns: Columns,
    function: Callable[[Columns, jax.Array], jax.Array],
    tree_axis: int | None = None,
) -> Callable[[np.ndarray, Any], Any]:
    """Applies a function to the node parameters of a tree, on every device."""

    def of_leaf(path: tuple, leaf: jax.Array) -> jax.Array:
        names = {getattr(key, "key", None) for key in path}
        return function(columns, leaf) if NODE_PARAMS in names else leaf

    return jax.pmap(
        lambda _, tree: jax.tree_util.tree_map_with_path(of_leaf, tree),
        axis_name=AXIS,
        in_axes=(0, tree_axis),
    )


def local_rows(rows: jax.Array, n_devices: int) -> jax.Array:
    """This device's share of the rows of a batch that every device knows; inside `pmap` only.

    Args:
        rows: `[batch, …]`; the batch is a multiple of `n_devices`.
        n_devices: devices along the axis.

    Returns:
        `[batch // n_devices, …]`.
    """
    share = rows.shape[0] // n_devices
    return jax.lax.dynamic_slice_in_dim(rows, jax.lax.axis_index(AXIS) * share, share)
