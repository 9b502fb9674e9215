"""The two towers: where the features of a node come from, before messages are passed."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


class GraphTower(nn.Module):
    """Free embeddings of users and items, learned from the graph alone.

    Attributes:
        n_nodes: users and items.
        dim: width of the embeddings.
    """

    n_nodes: int
    dim: int

    @nn.compact
    def __call__(self) -> jax.Array:
        """Returns the embedding of every node, float32 `[n_nodes, dim]`."""
        # Tiny beside text features of norm 1: noise that is not learned away would only hurt. Where
        # there is no text, normalisation makes the scale immaterial.
        return self.param("embedding", nn.initializers.normal(1e-3), (self.n_nodes, self.dim))


class TextTower(nn.Module):
    """Text features of users and items, projected to the width of the embeddings.

    The projection starts as the identity (cut or padded with zeros where the widths differ), so
    that the untrained model ranks by text similarity over the graph, and training improves on it.

    Attributes:
        dim: width of the embeddings.
        user_weight: weight of the users' text, where learning starts.
        item_weight: weight of the items' text, where learning starts.
    """

    dim: int
    user_weight: float
    item_weight: float

    @nn.compact
    def __call__(self, users: jax.Array, items: jax.Array) -> jax.Array:
        """Weighs and projects text features.

        Args:
            users: float `[n_users, width]`, rows of norm 1, or 0 without text.
            items: float `[n_items, width]`, likewise.

        Returns:
            float32 `[n_users + n_items, dim]`.
        """
        weights = [
            self.param("user_weight", nn.initializers.constant(self.user_weight), ()),
            self.param("item_weight", nn.initializers.constant(self.item_weight), ()),
        ]
        features = jnp.concatenate([weights[0] * users, weights[1] * items])
        return nn.Dense(self.dim, use_bias=False, kernel_init=_identity, name="projection")(
            features
        )


def _identity(key: jax.Array, shape: tuple[int, int], dtype: Any = jnp.float32) -> jax.Array:
    return jnp.eye(*shape, dtype=dtype)
