"""SymCERE: graph and text towers, message passing, fusion and scores."""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.config import ModelConfig
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.graph import Adjacency, bipartite_graph, build_adjacency, propagate
from symcere_jax.models.towers import GraphTower, TextTower

DIM_WITHOUT_TEXT = 64


@flax.struct.dataclass
class ModelInputs:
    """What the model reads besides its parameters, the same at every step.

    Attributes:
        adjacency: of users, then items; training interactions only.
        user_text: float32 `[n_users, width]`, rows of norm 1 or 0; None without text.
        item_text: float32 `[n_items, width]`, likewise.
        user_degree: float32 `[n_users]`, training interactions of each user.
        item_degree: float32 `[n_items]`, training interactions of each item.
    """

    adjacency: Adjacency
    user_text: jax.Array | None
    item_text: jax.Array | None
    user_degree: jax.Array
    item_degree: jax.Array

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, config: ModelConfig) -> "ModelInputs":
        """Builds the graph and reads the text features of a prepared folder.

        Args:
            dataset: the prepared folder.
            config: its `text_encoder` is the name of an encoder, or "none" (see `resolve`).

        Raises:
            DataError: the folder has no such text features.
        """
        graph = bipartite_graph(dataset.train, dataset.n_users, dataset.n_items)
        user_degree, item_degree = (
            jnp.asarray(np.bincount(dataset.train[:, column], minlength=n), jnp.float32)
            for column, n in enumerate((dataset.n_users, dataset.n_items))
        )
        user_text = item_text = None
        if config.text_encoder != "none":
            user_text, item_text = (
                jnp.asarray(unit_rows(dataset.text_features(config.text_encoder, rows)))
                for rows in ("users", "items")
            )
        adjacency = build_adjacency(graph, config.propagation)
        return cls(adjacency, user_text, item_text, user_degree, item_degree)


@flax.struct.dataclass
class NodeEmbeddings:
    """What the model computes for all nodes: users, then items. None of it is normalised.

    Attributes:
        features: float32 `[n_nodes, dim]`, sum of the towers before message passing.
        fused: float32 `[n_nodes, dim]`, after message passing.
        graph: float32 `[n_nodes, dim]`, the graph tower's share of `fused`; None if not asked for.
        text: float32 `[n_nodes, dim]`, the text tower's share of `fused`; None if not asked for.
    """

    features: jax.Array
    fused: jax.Array
    graph: jax.Array | None = None
    text: jax.Array | None = None


@flax.struct.dataclass
class Embeddings:
    """All that is needed to score: `score(u, i) = users_u · items_i + item_bias_i`.

    Attributes:
        users: float32 `[n_users, dim]`, divided by the temperature.
        items: float32 `[n_items, dim]`.
        item_bias: float32 `[n_items]`, the popularity prior.
    """

    users: jax.Array
    items: jax.Array
    item_bias: jax.Array


def score_block(embeddings: Embeddings, users: jax.Array) -> jax.Array:
    """Scores of a block of users for every item.

    Args:
        embeddings: of all users and items.
        users: int32 `[b]` user rows.

    Returns:
        float32 `[b, n_items]`.
    """
    return embeddings.users[users] @ embeddings.items.T + embeddings.item_bias


class SymCERE(nn.Module):
    """The model of SymCERE (arXiv 2504.02195) with a learned popularity prior.

    Attributes:
        n_users: number of users.
        n_items: number of items.
        dim: width of the embeddings.
        temperature: divides the similarity of a user and an item in a score.
        dropout: share of the node features set to 0 in training.
        config: what the model is.
    """

    n_users: int
    n_items: int
    dim: int
    temperature: float
    dropout: float
    config: ModelConfig

    def setup(self) -> None:
        """Creates the towers and the scalars that the settings ask for."""
        config = self.config
        if config.graph_embeddings:
            self.graph_tower = GraphTower(self.n_users + self.n_items, self.dim)
        if config.text_encoder != "none":
            self.text_tower = TextTower(
                self.dim, config.user_text_weight, config.item_text_weight, config.text_projection
            )
        if config.popularity_prior:
            self.popularity_weight = self.param("popularity_weight", nn.initializers.zeros, ())
        self.drop = nn.Dropout(self.dropout)

    @property
    def has_both_towers(self) -> bool:
        """Whether there are two modalities to align."""
        return self.config.graph_embeddings and self.config.text_encoder != "none"

    def __call__(
        self, inputs: ModelInputs, *, train: bool = False, by_tower: bool = False
    ) -> NodeEmbeddings:
        """Embeds all nodes.

        `fused = P(E + f(R))` with `P(X) = mean_{l=0..L} A^l X`. P is linear, so the towers need no
        message passing of their own unless they are asked for `by_tower`.

        Args:
            inputs: graph and text features.
            train: apply dropout; needs the RNG stream "dropout".
            by_tower: also give the share of each tower.
        """
        towers: list[jax.Array] = []
        if self.config.graph_embeddings:
            towers.append(self.graph_tower())
        if self.config.text_encoder != "none":
            text = (inputs.user_text, inputs.item_text)  # not None: the settings name an encoder
            towers.append(self.text_tower(*text))  # type: ignore[arg-type]
        towers = [self.drop(tower, deterministic=not train) for tower in towers]
        features = sum(towers[1:], start=towers[0])
        n_layers = self.config.n_layers
        if by_tower and self.has_both_towers:
            both = propagate(inputs.adjacency, jnp.concatenate(towers, axis=1), n_layers)
            shares = jnp.split(both, 2, axis=1)
            return NodeEmbeddings(features, shares[0] + shares[1], *shares)
        return NodeEmbeddings(features, propagate(inputs.adjacency, features, n_layers))

    def without_target(
        self, nodes: NodeEmbeddings, inputs: ModelInputs, users: jax.Array, items: jax.Array
    ) -> jax.Array:
        """Embeddings of users as if each had not interacted with one given item.

        `z_{u∖i} = z_u − A_ui x_i / (L + 1)`: takes out the item's own features x_i, which one step
        of message passing brought to the user. Otherwise an item is predicted from itself, which
        teaches nothing about items that the user has not seen.

        Args:
            nodes: embeddings of all nodes.
            inputs: what they were made of.
            users: int32 `[b]` user rows.
            items: int32 `[b]` item rows, each a training interaction of the user.

        Returns:
            float32 `[b, dim]`, not normalised.
        """
        if self.config.n_layers == 0:
            return nodes.fused[users]
        weights = jax.lax.rsqrt(inputs.user_degree[users] * inputs.item_degree[items])
        brought = weights[:, None] * nodes.features[self.n_users + items]
        return nodes.fused[users] - brought / (self.config.n_layers + 1)

    def direction(self, embeddings: jax.Array) -> jax.Array:
        """L2-normalises embeddings `[n, dim]`, unless that is switched off."""
        return normalize_rows(embeddings) if self.config.normalize else embeddings

    def item_bias(self, inputs: ModelInputs) -> jax.Array:
        """The popularity prior `β log(1 + n_i)`, float32 `[n_items]`."""
        if not self.config.popularity_prior:
            return jnp.zeros(self.n_items)
        return self.popularity_weight * jnp.log1p(inputs.item_degree)

    def embed(self, inputs: ModelInputs) -> Embeddings:
        """Embeddings of all users and items, ready to score with."""
        fused = self.direction(self(inputs).fused)
        return Embeddings(
            users=fused[: self.n_users] / self.temperature,
            items=fused[self.n_users :],
            item_bias=self.item_bias(inputs),
        )


def normalize_rows(x: jax.Array) -> jax.Array:
    """Divides each row of `[n, d]` by its L2 norm; a row of zeros stays, with a gradient of 0."""
    squares = (x * x).sum(axis=-1, keepdims=True)
    # Below that norm a row has no direction; without the bound, its gradient would not be finite.
    smallest = 1e-16
    return jnp.where(squares > smallest, x * jax.lax.rsqrt(jnp.maximum(squares, smallest)), 0.0)


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows of norm 1, float32, of an array `[n, d]` in host memory; zeros stay."""
    x = np.asarray(x, np.float32)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)
