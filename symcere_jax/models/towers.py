"""The two towers: the features of nodes before message passing."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from symcere_jax.models.column_shard import Columns


class GraphTower(nn.Module):
    """Free embeddings of users and items, learned from the graph alone."""

    n_nodes: int  # users and items
    dim: int

    @nn.compact
    def __call__(self) -> jax.Array:
        """Returns the embedding of every node, float32 `[n_nodes, dim]`."""
        # Tiny beside text features of norm 1: noise that is not learned away would only hurt. Where
        # there is no text, normalization makes the scale immaterial.
        return self.param("embedding", nn.initializers.normal(1e-3), (self.n_nodes, self.dim))


class TextTower(nn.Module):
    """Text features of users and items, projected to the width of the embeddings.

    The projection starts as the identity I (cut or padded with zeros where the widths differ), so
    that the untrained model ranks by text similarity over the graph, and training improves on it.
    It has no bias: no text gives 0. Devices share the columns of the result, and each projects to
    those that it holds.

    The weights of users' and items' texts are learned as logarithms: a weight that crossed 0 would
    turn all text around, against the graph embeddings that were aligned with it.
    """

    columns: Columns  # of the embeddings, all of them or those that this device holds
    user_weight: float  # weight of the users' text, where learning starts; 0: left out
    item_weight: float  # weight of the items' text, where learning starts; 0: left out

    @nn.compact
    def __call__(self, users: jax.Array, items: jax.Array) -> jax.Array:
        """Weighs and projects text features.

        Args:
            users: float `[n_users, width]`, rows of norm 1, or 0 without text.
            items: float `[n_items, width]`, likewise.

        Returns:
            float32 `[n_users + n_items, dim]`, `dim` being the number of the columns.
        """
        weighted = [
            self._weight("log_user_weight", self.user_weight) * users,
            self._weight("log_item_weight", self.item_weight) * items,
        ]
        features = jnp.concatenate(weighted)
        return _Projection(self.columns, name="projection")(features)

    def _weight(self, name: str, start: float) -> jax.Array | float:
        if not start:
            return 0.0
        return jnp.exp(self.param(name, nn.initializers.constant(math.log(start)), ()))


class _Projection(nn.Module):
    """`x W`, the columns of it that this device holds; W starts as the identity."""

    columns: Columns

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", _identity, (x.shape[1], self.columns.width))
        return x @ self.columns.slice(kernel)


def _identity(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    return jnp.eye(*shape)
