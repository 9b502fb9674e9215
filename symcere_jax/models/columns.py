"""Columns of the embeddings, shared among devices.

Message passing never mixes the columns of the embeddings. So each device holds its share of the
columns of all nodes, with what the optimiser keeps of them, passes their messages and learns them,
and nothing of that is exchanged. What the losses read are rows of a few nodes, whole: these are
gathered from all devices, and their gradients go back the same way.
"""

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns that this device holds; of several devices, inside `pmap` only.

    Attributes:
        width: of whole embeddings.
        n_devices: devices that share them.
        axis_name: of the mapped axis; "" where there is one device.
    """

    width: int
    n_devices: int = 1
    axis_name: str = ""

    @property
    def share(self) -> int:
        """Columns of each device; what the last one has beyond the width is 0."""
        return -(-self.width // self.n_devices)

    def own(self, whole: jax.Array) -> jax.Array:
        """This device's columns of embeddings, `[n, share]`.

        Args:
            whole: `[n, width]`, the same on every device.
        """
        if self.n_devices == 1:
            return whole
        padded = jnp.pad(whole, ((0, 0), (0, self.share * self.n_devices - self.width)))
        first = jax.lax.axis_index(self.axis_name) * self.share
        return jax.lax.dynamic_slice_in_dim(padded, first, self.share, axis=1)

    def whole(self, own: jax.Array) -> jax.Array:
        """All columns of some rows, `[n, width]`, the same on every device.

        Backward, each device gets the gradient of its columns, summed over the losses of all.

        Args:
            own: `[n, share]`, columns of this device.
        """
        if self.n_devices == 1:
            return own
        gathered = jax.lax.all_gather(own, self.axis_name, axis=1, tiled=True)
        return gathered[:, : self.width]

    def sum(self, of_own: jax.Array) -> jax.Array:
        """Sums over all columns, from those over this device's, any shape."""
        return of_own if self.n_devices == 1 else jax.lax.psum(of_own, self.axis_name)
