"""Embeddings that score, and the scores of a block of users."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class Factors:
    """Embeddings that score by inner product."""

    users: jax.Array  # float32 or float16 `[n_users, d]`
    items: jax.Array  # float32 `[n_items, d]`


def score_factors(factors: Factors, users: jax.Array) -> jax.Array:
    """`s_ui = x_u · y_i`, float32 `[b, n_items]`, for users int32 `[b]`."""
    return factors.users[users] @ factors.items.T


@flax.struct.dataclass
class Embeddings:
    """Embeddings that score: `score(u, i) = users_u · items_i + item_bias_i`.

    Where neighbors count, `user_neighbors_u · item_neighbors_i` is added; `joined` has them among
    the other columns. Cosines of items are of the trained columns alone.

    Attributes:
        users: float32 or float16 `[n_users, dim]`, divided by the temperature.
        items: float32 `[n_items, dim]`.
        item_bias: float32 `[n_items]`, the popularity prior.
        user_neighbors: like users `[n_users, r]`, further columns of the users (see
            `word_neighbors.py`); None: there are none.
        item_neighbors: float32 `[n_items, r]`, columns of the items.
    """

    users: jax.Array
    items: jax.Array
    item_bias: jax.Array
    user_neighbors: jax.Array | None = None
    item_neighbors: jax.Array | None = None

    def with_half_users(self) -> "Embeddings":
        """The columns of users, which are most of the numbers, in float16; scores stay float32."""
        users = {"users": self.users, "user_neighbors": self.user_neighbors}
        half = {name: x.astype(jnp.float16) for name, x in users.items() if x is not None}
        return dataclasses.replace(self, **half)

    @jax.jit
    def joined(self) -> "Embeddings":
        """The same scores, with all columns in `users` and `items`."""
        if self.user_neighbors is None or self.item_neighbors is None:
            return self
        return Embeddings(
            users=jnp.concatenate([self.users, self.user_neighbors], axis=1),
            items=jnp.concatenate([self.items, self.item_neighbors], axis=1),
            item_bias=self.item_bias,
        )

    @jax.jit
    def factors(self) -> Factors:
        """The same scores as inner products alone: the bias is a column, too.

        To rank by: adding a bias to the scores of all items takes half as long as the product.
        """
        joined = self.joined()
        ones = jnp.ones((len(joined.users), 1), joined.users.dtype)
        return Factors(
            users=jnp.concatenate([joined.users, ones], axis=1),
            items=jnp.concatenate([joined.items, joined.item_bias[:, None]], axis=1),
        )


def score_block(embeddings: Embeddings, users: jax.Array) -> jax.Array:
    """Scores of a block of users for every item.

    Args:
        embeddings: of all users and items.
        users: int32 `[b]` user rows.

    Returns:
        float32 `[b, n_items]`.
    """
    scores = embeddings.users[users] @ embeddings.items.T + embeddings.item_bias
    if embeddings.user_neighbors is None or embeddings.item_neighbors is None:
        return scores
    return scores + embeddings.user_neighbors[users] @ embeddings.item_neighbors.T


def normalize_rows(x: jax.Array) -> jax.Array:
    """Divides each row of `[n, d]` by its L2 norm; a row of zeros stays, with a gradient of 0."""
    squares = (x * x).sum(axis=-1, keepdims=True)
    # Below that norm a row has no direction; without the bound, its gradient would not be finite.
    smallest = 1e-16
    return jnp.where(squares > smallest, x * jax.lax.rsqrt(jnp.maximum(squares, smallest)), 0.0)
