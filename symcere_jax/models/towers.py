"""The two towers: where the features of a node come from, before messages are passed."""

import functools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from symcere_jax.models.column_shard import Columns


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
        # there is no text, normalization makes the scale immaterial.
        return self.param("embedding", nn.initializers.normal(1e-3), (self.n_nodes, self.dim))


class TextTower(nn.Module):
    """Text features of users and items, projected to the width of the embeddings.

    The projection starts as the identity I (cut or padded with zeros where the widths differ), so
    that the untrained model ranks by text similarity over the graph, and training improves on it.
    It is one of

        linear      x W,                     W = I at the start
        residual    x I + relu(x V) W,       V random and W = 0 at the start
        mlp         relu(x V) W,             V = [I, −I] and W = [I, −I]ᵀ at the start

    without biases: no text gives 0, and twice the weight twice the result. Devices share the
    columns of the result, and each projects to those that it holds.

    The weights of users' and items' texts are learned as logarithms: a weight that crossed 0 would
    turn all text around, against the graph embeddings that were aligned with it.

    Attributes:
        columns: of the embeddings, all of them or those that this device holds.
        user_weight: weight of the users' text, where learning starts; 0: left out.
        item_weight: weight of the items' text, where learning starts; 0: left out.
        projection: "linear", "residual" or "mlp".
    """

    columns: Columns
    user_weight: float
    item_weight: float
    projection: str = "linear"

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
        return PROJECTIONS[self.projection](self.columns, name="projection")(features)

    def _weight(self, name: str, start: float) -> jax.Array | float:
        if not start:
            return 0.0
        return jnp.exp(self.param(name, nn.initializers.constant(math.log(start)), ()))


class _Linear(nn.Module):
    """`x W`, the columns of it that this device holds."""

    columns: Columns
    kernel_init: Callable[..., jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", self.kernel_init, (x.shape[1], self.columns.width))
        return x @ self.columns.slice(kernel)


class _Residual(nn.Module):
    """The identity, and a learned correction that starts at 0."""

    columns: Columns

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        dim = self.columns.width
        inner = nn.relu(nn.Dense(dim, use_bias=False, name="inner")(x))
        outer = _Linear(self.columns, nn.initializers.zeros, name="outer")(inner)
        return x @ self.columns.slice(jnp.eye(x.shape[1], dim)) + outer


class _Mlp(nn.Module):
    """One hidden layer, which starts at the identity: `relu(x) − relu(−x) = x`."""

    columns: Columns

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = 2 * x.shape[1]
        inner = nn.Dense(hidden, use_bias=False, kernel_init=_plus_minus, name="inner")(x)
        return _Linear(self.columns, _minus_plus, name="outer")(nn.relu(inner))


def _identity(key: jax.Array, shape: tuple[int, int], dtype: Any = jnp.float32) -> jax.Array:
    return jnp.eye(*shape, dtype=dtype)


def _plus_minus(key: jax.Array, shape: tuple[int, int], dtype: Any = jnp.float32) -> jax.Array:
    return jnp.concatenate([jnp.eye(shape[0], dtype=dtype), -jnp.eye(shape[0], dtype=dtype)], 1)


def _minus_plus(key: jax.Array, shape: tuple[int, int], dtype: Any = jnp.float32) -> jax.Array:
    identity = jnp.eye(shape[0] // 2, shape[1], dtype=dtype)
    return jnp.concatenate([identity, -identity])


PROJECTIONS: dict[str, Callable[..., nn.Module]] = {
    "linear": functools.partial(_Linear, kernel_init=_identity),
    "residual": _Residual,
    "mlp": _Mlp,
}
