"""Embeddings of users and items that the model was not trained on, without training it again.

The embedding of a new user follows from the items that the user is known to like, and from the
user's own reviews, by one row of message passing: with `M = Σ_{l<L} A^l X`, which training leaves
for every item,

    z_u = (x_u + Σ_{i ∈ items of u} M_i / sqrt(n_u · n_i)) / (L + 1),

where x_u is the text tower's output for the reviews, n_u the number of items, and n_i the number of
the item's training interactions. A user of the training data with their own items and features gets
exactly the embedding that training gave them. What is left out is how the new user would change the
embeddings of others. A new item has no interactions: z_i = x_i / (L + 1), the text tower's output
alone.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.data.interactions import Interactions
from symcere_jax.graph import propagate
from symcere_jax.models.model_inputs import ModelInputs
from symcere_jax.models.symcere import SymCERE
from symcere_jax.settings import NONE


@dataclasses.dataclass(frozen=True)
class FoldIn:
    """A trained model, ready to embed new users and items; in host memory."""

    model: SymCERE
    params: Any
    messages: np.ndarray  # float32 `[n_items, dim]`, what each item sends: `Σ_{l<L} A^l X`
    item_degree: np.ndarray  # float32 `[n_items]`, training interactions of each item
    # float32 `[n_users]`, what the embedding of each user of the training data was divided by: its
    # L2 norm, 1 where normalization is off.
    user_norms: np.ndarray

    @classmethod
    def of(cls, model: SymCERE, params: Any, inputs: ModelInputs) -> "FoldIn":
        """Passes the messages of a trained model once."""
        messages, norms = (np.asarray(array) for array in _pass_messages(model)(params, inputs))
        return cls(model, params, messages, np.asarray(inputs.item_degree), norms)

    @property
    def dim(self) -> int:
        """Width of the embeddings."""
        return self.model.settings.embedding_dim

    def edge_weights(self, items: Interactions) -> np.ndarray:
        """Weights `1 / sqrt(n_u · n_i)` of the edges from users to their items, float64 `[n]`.

        Args:
            items: of each user; one without training interactions counts as having a single one.
        """
        counts = items.counts()
        degrees = np.maximum(self.item_degree[items.indices], 1)
        return 1 / np.sqrt(degrees * np.repeat(counts, counts))

    def users(
        self, items: Interactions, text: np.ndarray | None = None, own: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of new users.

        Args:
            items: of each user.
            text: float `[n, width]` features of each user's own reviews, of any length; 0 for a
                user without; None where no user has any. A model without text ignores them.
            own: float32 `[n, dim]`, what else is known of each, as `own_sums` returns it.

        Returns:
            float32 `[n, dim]` embeddings, divided by the temperature as those of `Embeddings` are,
            and float32 `[n]` the norms that they were divided by.
        """
        sums = np.zeros((items.n_users, self.dim), np.float32)
        if self.model.settings.n_layers:
            sums += items.matrix(len(self.messages), self.edge_weights(items)) @ self.messages
        if text is not None:
            sums += text_rows(self.model, self.params, users=text)
        if own is not None:
            sums += own
        directions, norms = self._directions(sums)
        return directions / np.float32(self.model.settings.temperature), norms

    def own_sums(self, users: np.ndarray, rows: np.ndarray, history: Interactions) -> np.ndarray:
        """What is known of users of the training data besides their items, x_u, float32 `[n, dim]`.

        Args:
            users: float32 `[n, dim]`, their embeddings, as `users` returns them.
            rows: int `[n]`, their rows.
            history: training items of each.
        """
        n_layers = self.model.settings.n_layers
        scales = self.user_norms[rows] * np.float32(self.model.settings.temperature)
        sums = users * scales[:, None] * np.float32(n_layers + 1)
        if n_layers:
            weights = self.edge_weights(history)
            sums = sums - history.matrix(len(self.messages), weights) @ self.messages
        return np.asarray(sums, np.float32)

    def items(self, text: np.ndarray) -> np.ndarray:
        """Embeddings of new items, float32 `[n, dim]`; 0 where the model has no text.

        Args:
            text: float `[n, width]` features of reviews or descriptions, of any length.
        """
        return self._directions(text_rows(self.model, self.params, items=text))[0]

    def with_items(self, text: np.ndarray, n_interactions: np.ndarray) -> "FoldIn":
        """A copy that also knows new items, in rows after the others.

        Args:
            text: as in `items`.
            n_interactions: float `[n]`, how many are assumed of each.
        """
        rows = text_rows(self.model, self.params, items=text)
        return dataclasses.replace(
            self,
            messages=np.concatenate([self.messages, rows]),
            item_degree=np.concatenate([self.item_degree, n_interactions]),
        )

    def item_bias(self, n_interactions: np.ndarray) -> np.ndarray:
        """The popularity prior `β log(1 + n)` of items with n interactions, float32 `[n_items]`."""
        if not self.model.settings.popularity_prior:
            return np.zeros(len(n_interactions), np.float32)
        weight = np.float32(self.params["popularity_weight"])
        return weight * np.log1p(np.asarray(n_interactions, np.float32))

    def _directions(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Divides sums over layers by their number, and normalizes where the model does."""
        fused = sums / np.float32(self.model.settings.n_layers + 1)
        if not self.model.settings.normalize:
            return fused, np.ones(len(fused), np.float32)
        norms = np.linalg.norm(fused, axis=1)
        return unit_rows(fused), norms.astype(np.float32)


def text_rows(
    model: SymCERE, params: Any, *, users: np.ndarray | None = None, items: np.ndarray | None = None
) -> np.ndarray:
    """The text tower's output before message passing, float32 `[n, dim]`; 0 without a tower.

    Args:
        model: the model.
        params: its parameters.
        users: float `[n, width]` features of users' reviews, of any length; or
        items: float `[n, width]` features of items' reviews.
    """
    text = users if users is not None else items
    assert text is not None
    if model.settings.text_encoder == NONE:
        return np.zeros((len(text), model.settings.embedding_dim), np.float32)
    # A power of two rows, so that another number of them seldom needs another compilation.
    n_rows = 1 << max(len(text) - 1, 0).bit_length()
    padded = np.zeros((n_rows, text.shape[1]), np.float32)
    padded[: len(text)] = unit_rows(text)
    empty = np.zeros((0, text.shape[1]), np.float32)
    sides = (padded, empty) if users is not None else (empty, padded)
    return np.asarray(_apply_text_tower(model)(params, *sides))[: len(text)]


@functools.lru_cache(maxsize=8)
def _pass_messages(model: SymCERE) -> Callable[[Any, ModelInputs], tuple[jax.Array, jax.Array]]:
    """The compiled function to the items' messages and the users' norms."""

    def run(params: Any, inputs: ModelInputs) -> tuple[jax.Array, jax.Array]:
        nodes: Any = model.apply({"params": params}, inputs)
        n_layers = model.settings.n_layers
        messages = nodes.features * 0
        if n_layers:
            messages = n_layers * propagate(inputs.adjacency, nodes.features, n_layers - 1)
        norms = jnp.ones(model.n_users)
        if model.settings.normalize:
            norms = jnp.linalg.norm(nodes.fused[: model.n_users], axis=1)
        return messages[model.n_users :], norms

    return jax.jit(run)


@functools.lru_cache(maxsize=8)
def _apply_text_tower(model: SymCERE) -> Callable[..., jax.Array]:
    def tower(module: SymCERE, users: jax.Array, items: jax.Array) -> jax.Array:
        return module.text_tower(users, items)

    return jax.jit(
        lambda params, users, items: model.apply({"params": params}, users, items, method=tower)
    )
