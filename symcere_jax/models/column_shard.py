"""Columns of the embeddings that a device holds."""

import dataclasses

import jax
import jax.numpy as jnp

AXIS = "data"  # the axis of devices


@dataclasses.dataclass(frozen=True)
class Columns:
    """A device's share of the columns of the embeddings: message passing never mixes columns.

    Several devices use it inside `training.devices.map_devices`.
    """

    width: int  # columns of a whole embedding
    n_devices: int = 1  # devices that share them

    @property
    def share(self) -> int:
        """Columns of each device; the last ones are padding where the width does not divide."""
        return -(-self.width // self.n_devices)

    def slice(self, x: jax.Array) -> jax.Array:
        """This device's columns `[n, share]` of `x [n, width]`, which every device has."""
        if self.n_devices == 1:
            return x
        padded = jnp.pad(x, ((0, 0), (0, self.share * self.n_devices - self.width)))
        first = jax.lax.axis_index(AXIS) * self.share
        return jax.lax.dynamic_slice_in_dim(padded, first, self.share, axis=1)

    def gather(self, x: jax.Array) -> jax.Array:
        """All columns `[n, width]` of rows of which `x [n, share]` are this device's columns.

        Backward, each device gets the gradient of its columns, summed over the losses of all.
        """
        if self.n_devices == 1:
            return x
        return jax.lax.all_gather(x, AXIS, axis=1, tiled=True)[:, : self.width]
