"""Parallelism over the devices of all processes: the only module that knows `jax.pmap`.

Message passing never mixes the columns of the embeddings. So each device holds its share of the
columns of all nodes, with what the optimizer keeps of them, passes their messages and updates them,
and nothing of that is exchanged. The losses read whole rows of a few nodes, which are gathered from
all devices; their gradients go back the same way.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.models import NODE_PARAMS, Columns

_AXIS = "data"


@dataclasses.dataclass(frozen=True)
class ColumnShard(Columns):
    """One device's share of the columns of the embeddings; for use inside `map_devices`.

    Attributes:
        n_devices: devices that share them.
    """

    n_devices: int = 1

    @property
    def share(self) -> int:
        """Columns of each device; the last ones are padding where the width does not divide."""
        return -(-self.width // self.n_devices)

    def slice(self, x: jax.Array) -> jax.Array:
        """This device's columns `[n, share]` of `x [n, width]`, which every device has."""
        padded = jnp.pad(x, ((0, 0), (0, self.share * self.n_devices - self.width)))
        first = jax.lax.axis_index(_AXIS) * self.share
        return jax.lax.dynamic_slice_in_dim(padded, first, self.share, axis=1)

    def gather(self, x: jax.Array) -> jax.Array:
        """All columns `[n, width]` of rows of which `x [n, share]` are this device's columns.

        Backward, each device gets the gradient of its columns, summed over the losses of all.
        """
        return jax.lax.all_gather(x, _AXIS, axis=1, tiled=True)[:, : self.width]


@functools.cache  # its methods are keys of `_map_node_params`, which compares their objects by `is`
def device_columns(width: int, n_devices: int) -> Columns:
    """The columns that a device holds where some devices share `width` of them."""
    return ColumnShard(width, n_devices) if n_devices > 1 else Columns(width)


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
        function, axis_name=_AXIS, in_axes=in_axes, donate_argnums=donated, devices=devices
    )


def sum_over_devices(tree: Any) -> Any:
    """Sums each leaf over the devices; inside `map_devices`."""
    return jax.lax.psum(tree, _AXIS)


def sum_gradients(gradients: dict[str, Any]) -> dict[str, Any]:
    """Sums gradients over the devices, except for the columns of which a device has the whole."""
    shared = {name: tree for name, tree in gradients.items() if name != NODE_PARAMS}
    return gradients | sum_over_devices(shared)


def local_rows(rows: jax.Array, n_devices: int) -> jax.Array:
    """This device's share `[b // n_devices, …]` of rows `[b, …]` that every device has."""
    share = rows.shape[0] // n_devices
    return jax.lax.dynamic_slice_in_dim(rows, jax.lax.axis_index(_AXIS) * share, share)


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
    columns = device_columns(width, jax.device_count())
    return _map_node_params(columns.slice)(np.arange(jax.local_device_count()), tree)


def collect(tree: Any, width: int) -> Any:
    """The pytree that `distribute` has distributed, on the first device."""
    if jax.device_count() > 1:
        gather = _map_node_params(device_columns(width, jax.device_count()).gather, tree_axis=0)
        tree = gather(np.arange(jax.local_device_count()), tree)
    return jax.tree.map(lambda leaf: leaf[0], tree)


@functools.lru_cache(maxsize=8)  # each is compiled once
def _map_node_params(
    function: Callable[[jax.Array], jax.Array], tree_axis: int | None = None
) -> Callable[[np.ndarray, Any], Any]:
    """Applies a function to the node parameters of a tree, on every device."""

    def map_leaf(path: tuple, leaf: jax.Array) -> jax.Array:
        names = {getattr(key, "key", None) for key in path}
        return function(leaf) if NODE_PARAMS in names else leaf

    return map_devices(
        lambda _, tree: jax.tree_util.tree_map_with_path(map_leaf, tree), (0, tree_axis)
    )
