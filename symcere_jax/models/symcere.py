"""SymCERE: graph and text towers, message passing, fusion and scores."""

import math
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.graph import (
    Adjacency,
    bipartite_graph,
    build_adjacency,
    propagate_walks,
)
from symcere_jax.models.columns import Columns
from symcere_jax.models.towers import GraphTower, TextTower
from symcere_jax.settings import ResolvedSettings

DIM_WITHOUT_TEXT = 64
# The parameters with a row for each user, then one for each item. Devices share their columns.
NODE_PARAMS = "graph_tower"
MIN_TEMPERATURE = 0.01  # a learned one; float32 softmax is still exact there


@flax.struct.dataclass
class ModelInputs:
    """What the model reads besides its parameters, the same at every step.

    Attributes:
        adjacency: of users, then items; positive training interactions only.
        user_text: float32 `[n_users, width]`, rows of norm 1 or 0; None without text.
        item_text: float32 `[n_items, width]`, likewise.
        user_degree: float32 `[n_users]`, positive training interactions of each user.
        item_degree: float32 `[n_items]`, positive training interactions of each item.
        user_reviews: float32 `[n_users]`, training reviews that the text of a user is made of.
        item_reviews: float32 `[n_items]`, likewise of an item.
    """

    adjacency: Adjacency
    user_text: jax.Array | None
    item_text: jax.Array | None
    user_degree: jax.Array
    item_degree: jax.Array
    user_reviews: jax.Array
    item_reviews: jax.Array

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, config: ResolvedSettings) -> "ModelInputs":
        """Builds the graph and reads the text features of a prepared folder.

        Args:
            dataset: the prepared folder.
            config: its `text_encoder` is the name of an encoder, or "none" (see `resolve`).

        Raises:
            DataError: the folder has no such text features, or no rating reaches `min_rating`.
        """
        interactions = dataset.train[dataset.is_positive(config.min_rating)]
        graph = bipartite_graph(interactions, dataset.n_users, dataset.n_items)
        degrees, reviews = (
            [
                jnp.asarray(np.bincount(pairs[:, column], minlength=n), jnp.float32)
                for column, n in enumerate((dataset.n_users, dataset.n_items))
            ]
            for pairs in (interactions, dataset.train)
        )
        user_text = item_text = None
        if config.text_encoder != "none":
            user_text, item_text = (
                jnp.asarray(unit_rows(dataset.text_features(config.text_encoder, rows)))
                for rows in ("users", "items")
            )
        adjacency = build_adjacency(graph, config.propagation)
        return cls(adjacency, user_text, item_text, *degrees, *reviews)


@flax.struct.dataclass
class NodeEmbeddings:
    """What the model computes for all nodes: users, then items. None of it is normalised.

    Where devices share the columns, `dim` is the number of those that this one holds.

    Attributes:
        features: float32 `[n_nodes, dim]`, sum of the towers before message passing.
        fused: float32 `[n_nodes, dim]`, after message passing.
        walks: float32 `[n_nodes, dim]`, what an edge brings to its receiver, over all walks that
            begin with it (see `propagate_walks`); None without layers.
        graph: float32 `[n_nodes, dim]`, the graph tower's share of `fused`; None if not asked for.
        text: float32 `[n_nodes, dim]`, the text tower's share of `fused`; None if not asked for.
        text_mask: float32 `[n_nodes, dim]`, 0 where dropout took a feature of the text tower, else
            what it was multiplied by; None without dropout or text.
    """

    features: jax.Array
    fused: jax.Array
    walks: jax.Array | None = None
    graph: jax.Array | None = None
    text: jax.Array | None = None
    text_mask: jax.Array | None = None


@flax.struct.dataclass
class Factors:
    """Embeddings that score by inner product.

    Attributes:
        users: float32 `[n_users, d]`.
        items: float32 `[n_items, d]`.
    """

    users: jax.Array
    items: jax.Array


def score_factors(factors: Factors, users: jax.Array) -> jax.Array:
    """`s_ui = x_u · y_i`, float32 `[b, n_items]`, for users int32 `[b]`."""
    return factors.users[users] @ factors.items.T


@flax.struct.dataclass
class Embeddings:
    """All that is needed to score: `score(u, i) = users_u · items_i + item_bias_i`.

    Where neighbours count, `user_neighbors_u · item_neighbors_i` is added; `joined` has them among
    the other columns.

    Attributes:
        users: float32 `[n_users, dim]`, divided by the temperature.
        items: float32 `[n_items, dim]`.
        item_bias: float32 `[n_items]`, the popularity prior.
        user_neighbors: float32 `[n_users, r]`, further columns of the users (see `neighbors.py`);
            None: there are none.
        item_neighbors: float32 `[n_items, r]`, the same of the items.
    """

    users: jax.Array
    items: jax.Array
    item_bias: jax.Array
    user_neighbors: jax.Array | None = None
    item_neighbors: jax.Array | None = None

    def joined(self) -> "Embeddings":
        """The same scores, with all columns in `users` and `items`."""
        if self.user_neighbors is None or self.item_neighbors is None:
            return self
        return Embeddings(
            users=jnp.concatenate([self.users, self.user_neighbors], axis=1),
            items=jnp.concatenate([self.items, self.item_neighbors], axis=1),
            item_bias=self.item_bias,
        )

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


class SymCERE(nn.Module):
    """The model of SymCERE (arXiv 2504.02195) with a learned popularity prior.

    Attributes:
        n_users: number of users.
        n_items: number of items.
        dim: width of the embeddings.
        temperature: divides the similarity of a user and an item in a score; where it is learned,
            what learning starts from.
        dropout: share of the node features set to 0 in training.
        config: what the model is.
        columns: of the embeddings that this device holds; None: all.
    """

    n_users: int
    n_items: int
    dim: int
    temperature: float
    dropout: float
    config: ResolvedSettings
    columns: Columns | None = None

    def setup(self) -> None:
        """Creates the towers and the scalars that the settings ask for."""
        config = self.config
        if config.graph_embeddings:
            self.graph_tower = GraphTower(self.n_users + self.n_items, self.held.share)
        if config.text_encoder != "none":
            self.text_tower = TextTower(
                self.held, config.user_text_weight, config.item_text_weight, config.text_projection
            )
        if config.popularity_prior:
            self.popularity_weight = self.param("popularity_weight", nn.initializers.zeros, ())
        if config.learn_temperature:
            start = nn.initializers.constant(math.log(self.temperature))
            self.log_temperature = self.param("log_temperature", start, ())

    @property
    def held(self) -> Columns:
        """The columns of the embeddings that this device holds."""
        return self.columns or Columns(self.dim)

    def shared(self, axis_name: str, n_devices: int) -> "SymCERE":
        """The model as each of some devices runs it, inside `pmap`: with its share of the columns.

        Its parameters are those of the whole model, but of `NODE_PARAMS` this device's columns.
        """
        if n_devices == 1:
            return self
        return self.clone(columns=Columns(self.dim, n_devices, axis_name))

    @property
    def has_both_towers(self) -> bool:
        """Whether there are two modalities to align."""
        return self.config.graph_embeddings and self.config.text_encoder != "none"

    def __call__(
        self,
        inputs: ModelInputs,
        *,
        train: bool = False,
        by_tower: bool = False,
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
        text_mask = None
        if train and self.dropout > 0:
            # Drawn whole, so that it does not depend on the number of devices.
            n_nodes = self.n_users + self.n_items
            masks = [self.held.own(self._dropout_mask(n_nodes)) for _ in towers]
            towers = [tower * mask for tower, mask in zip(towers, masks, strict=True)]
            text_mask = masks[-1] if self.config.text_encoder != "none" else None
        features = sum(towers[1:], start=towers[0])
        n_layers = self.config.n_layers
        if by_tower and self.has_both_towers:
            both = jnp.concatenate(towers, axis=1)
            walks = None
            if n_layers > 0:
                both, of_both = self._propagate(inputs, both)
                walks = jnp.add(*jnp.split(of_both, 2, axis=1))
            graph, text_share = jnp.split(both, 2, axis=1)
            fused = graph + text_share
            return NodeEmbeddings(features, fused, walks, graph, text_share, text_mask)
        if n_layers == 0:
            return NodeEmbeddings(features, features, text_mask=text_mask)
        fused, walks = self._propagate(inputs, features)
        return NodeEmbeddings(features, fused, walks, text_mask=text_mask)

    def _propagate(self, inputs: ModelInputs, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = x.astype(self.config.message_dtype)
        fused, walks = propagate_walks(inputs.adjacency, x, self.config.n_layers)
        return fused.astype(jnp.float32), walks.astype(jnp.float32)

    def _dropout_mask(self, n_rows: int) -> jax.Array:
        """0 for the share `dropout` of `[n_rows, dim]`, 1 over what is kept for the others."""
        # A byte each: the share is exact to 1/256. JAX would draw 32 bits for a byte, too.
        dropped = min(max(round(256 * self.dropout), 1), 255)
        words = jax.random.bits(self.make_rng("dropout"), (n_rows, -(-self.dim // 4)), jnp.uint32)
        drawn = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(n_rows, -1)
        return (drawn[:, : self.dim] >= dropped) * jnp.float32(256 / (256 - dropped))

    def without_target(
        self,
        nodes: NodeEmbeddings,
        inputs: ModelInputs,
        users: jax.Array,
        items: jax.Array,
        reviews: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """Embeddings of the two ends of interactions as if each were not in the training data.

        Otherwise an item is predicted from itself: message passing carries its features to the
        user and the user's to it, and the text features of both hold the review of the interaction.
        What is learned from that is of no use for items that the user has not seen.

        `z_{u∖i} = z_u − (A_ui y_i + m_u f(w_U r_ui / n_u)) / (L + 1)` takes out all walks that
        begin with the edge, and the review's share of the user's own text; `z_{i∖u}` likewise. The
        share is that of a mean of the user's n_u reviews, whatever the encoder made of them.

        Args:
            nodes: embeddings of all nodes.
            inputs: what they were made of.
            users: int32 `[b]` user rows.
            items: int32 `[b]` item rows, each a training interaction of the user.
            reviews: float `[b, width]`, text features of the reviews of the interactions, of norm 1
                or 0; None: they stay in the text features.

        Returns:
            float32 `[b, dim]` of the users and of the items, all columns, not normalised.
        """
        ends = [users, self.n_users + items]
        degrees = [inputs.user_degree[users], inputs.item_degree[items]]
        n_terms = self.config.n_layers + 1
        left = [nodes.fused[end] for end in ends]
        if nodes.walks is not None:
            weights = jax.lax.rsqrt(degrees[0] * degrees[1])[:, None] / n_terms
            left = [
                z - weights * nodes.walks[other] for z, other in zip(left, ends[::-1], strict=True)
            ]
        if reviews is not None and self.config.text_encoder != "none":
            counts = (inputs.user_reviews[users], inputs.item_reviews[items])
            shares = self.text_tower(*(reviews / count[:, None] for count in counts))
            for side, share in enumerate(jnp.split(shares, 2)):
                if nodes.text_mask is not None:
                    share = share * nodes.text_mask[ends[side]]
                left[side] = left[side] - share / n_terms
        return self.held.whole(left[0]), self.held.whole(left[1])

    def project_reviews(self, reviews: jax.Array) -> jax.Array:
        """Text features of single reviews `[b, width]`, projected by the text tower, `[b, dim]`."""
        return self.held.whole(self.text_tower(reviews[:0], reviews))

    def direction(self, embeddings: jax.Array) -> jax.Array:
        """L2-normalises embeddings `[n, dim]`, unless that is switched off."""
        return normalize_rows(embeddings) if self.config.normalize else embeddings

    def score_temperature(self) -> jax.Array | float:
        """What similarities are divided by: fixed, or learned as its logarithm, at least 0.01."""
        if not self.config.learn_temperature:
            return self.temperature
        return jnp.exp(jnp.maximum(self.log_temperature, math.log(MIN_TEMPERATURE)))

    def temperature_of(self, params: Any) -> float:
        """The temperature of a trained model, outside of compiled functions."""
        found: Any = self.apply({"params": params}, method="score_temperature")
        return float(found)

    def popularity_bias(self, n_interactions: jax.Array) -> jax.Array:
        """The popularity prior `β log(1 + n)` of items with n training interactions, float32."""
        if not self.config.popularity_prior:
            return jnp.zeros_like(n_interactions)
        return self.popularity_weight * jnp.log1p(n_interactions)

    def embed(self, inputs: ModelInputs) -> Embeddings:
        """Embeddings of all users and items, ready to score with."""
        fused = self.direction(self(inputs).fused)
        return Embeddings(
            users=fused[: self.n_users] / self.score_temperature(),
            items=fused[self.n_users :],
            item_bias=self.popularity_bias(inputs.item_degree),
        )


def normalize_rows(x: jax.Array) -> jax.Array:
    """Divides each row of `[n, d]` by its L2 norm; a row of zeros stays, with a gradient of 0."""
    squares = (x * x).sum(axis=-1, keepdims=True)
    # Below that norm a row has no direction; without the bound, its gradient would not be finite.
    smallest = 1e-16
    return jnp.where(squares > smallest, x * jax.lax.rsqrt(jnp.maximum(squares, smallest)), 0.0)
