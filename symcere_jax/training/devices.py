"""Data parallelism over the devices of this process, by `jax.pmap`."""

from typing import Any

import jax
import numpy as np

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
