"""Columns of the embeddings that a device holds."""

import dataclasses

import jax


@dataclasses.dataclass(frozen=True)
class Columns:
    """All columns of the embeddings, on one device.

    Message passing never mixes columns, so several devices can hold a share each: see
    `training.devices.ColumnShard`, which overrides the methods.

    Attributes:
        width: columns of a whole embedding.
    """

    width: int

    @property
    def share(self) -> int:
        """Number of columns that this device holds."""
        return self.width

    def slice(self, x: jax.Array) -> jax.Array:
        """This device's columns `[n, share]` of `x [n, width]`, which every device has."""
        return x

    def gather(self, x: jax.Array) -> jax.Array:
        """Gathers all columns `[n, width]` of rows from this device's columns `x [n, share]`."""
        return x
