"""SymCERE: graph and text towers, message passing, fusion and scores."""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from symcere_jax.graph import propagate_walks
from symcere_jax.models.column_shard import Columns
from symcere_jax.models.model_inputs import ModelInputs
from symcere_jax.models.scores import Embeddings, normalize_rows
from symcere_jax.models.towers import GraphTower, TextTower
from symcere_jax.settings import NONE, ResolvedSettings

# The parameters with a row for each user, then one for each item. Devices share their columns.
NODE_PARAMS = "graph_tower"


@flax.struct.dataclass
class NodeEmbeddings:
    """Embeddings of all nodes, users first, not normalized.

    Where devices share the columns, `dim` is the number that this one holds.
    """

    features: jax.Array  # float32 `[n_nodes, dim]`, sum of the towers before message passing
    fused: jax.Array  # float32 `[n_nodes, dim]`, after message passing
    # float32 `[n_nodes, dim]`, what an edge brings to its receiver over all walks that start with
    # it (see `propagate_walks`); None without layers.
    walks: jax.Array | None = None
    # float32 `[n_nodes, dim]`, the graph tower's share of `fused`; None if not asked for.
    graph: jax.Array | None = None
    # float32 `[n_nodes, dim]`, the text tower's share of `fused`; None if not asked for.
    text: jax.Array | None = None
    # float32 `[n_nodes, dim]`, factors by which dropout multiplied the features of the text tower;
    # None without dropout or text.
    text_mask: jax.Array | None = None


class SymCERE(nn.Module):
    """The model of SymCERE (arXiv 2504.02195) with a learned popularity prior."""

    n_users: int
    n_items: int
    settings: ResolvedSettings
    columns: Columns | None = None  # of the embeddings, those that this device holds; None: all

    def setup(self) -> None:
        """Creates the towers and the scalars that the settings ask for."""
        settings = self.settings
        if settings.graph_embeddings:
            self.graph_tower = GraphTower(self.n_users + self.n_items, self.shard.share)
        if settings.text_encoder != NONE:
            self.text_tower = TextTower(
                self.shard, settings.user_text_weight, settings.item_text_weight
            )
        if settings.popularity_prior:
            self.popularity_weight = self.param("popularity_weight", nn.initializers.zeros, ())

    @property
    def shard(self) -> Columns:
        """The columns of the embeddings that this device holds."""
        return self.columns or Columns(self.settings.embedding_dim)

    @property
    def has_both_towers(self) -> bool:
        """Whether there are two modalities to align."""
        return self.settings.graph_embeddings and self.settings.text_encoder != NONE

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
        if self.settings.graph_embeddings:
            towers.append(self.graph_tower())
        if self.settings.text_encoder != NONE:
            text = (inputs.user_text, inputs.item_text)  # not None: the settings name an encoder
            towers.append(self.text_tower(*text))  # type: ignore[arg-type]
        text_mask = None
        if train and self.settings.dropout > 0:
            # Drawn whole, so that it does not depend on the number of devices.
            n_nodes = self.n_users + self.n_items
            masks = [self.shard.slice(self._dropout_mask(n_nodes)) for _ in towers]
            towers = [tower * mask for tower, mask in zip(towers, masks, strict=True)]
            text_mask = masks[-1] if self.settings.text_encoder != NONE else None
        features = sum(towers[1:], start=towers[0])
        n_layers = self.settings.n_layers
        if by_tower and self.has_both_towers:
            both = jnp.concatenate(towers, axis=1)
            walks = None
            if n_layers > 0:
                both, both_walks = self._propagate(inputs, both)
                walks = jnp.add(*jnp.split(both_walks, 2, axis=1))
            graph, text_share = jnp.split(both, 2, axis=1)
            fused = graph + text_share
            return NodeEmbeddings(features, fused, walks, graph, text_share, text_mask)
        if n_layers == 0:
            return NodeEmbeddings(features, features, text_mask=text_mask)
        fused, walks = self._propagate(inputs, features)
        return NodeEmbeddings(features, fused, walks, text_mask=text_mask)

    def _propagate(self, inputs: ModelInputs, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = x.astype(self.settings.message_dtype)
        fused, walks = propagate_walks(inputs.adjacency, x, self.settings.n_layers)
        return fused.astype(jnp.float32), walks.astype(jnp.float32)

    def _dropout_mask(self, n_rows: int) -> jax.Array:
        """Float32 `[n_rows, dim]`: 0 for a share `dropout`, `1 / (1 - dropout)` for the rest."""
        # A byte each: the share is exact to 1/256. JAX would draw 32 bits for a byte, too.
        dropped = min(max(round(256 * self.settings.dropout), 1), 255)
        dim = self.settings.embedding_dim
        words = jax.random.bits(self.make_rng("dropout"), (n_rows, -(-dim // 4)), jnp.uint32)
        drawn = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(n_rows, -1)
        return (drawn[:, :dim] >= dropped) * jnp.float32(256 / (256 - dropped))

    def without_target(
        self,
        nodes: NodeEmbeddings,
        inputs: ModelInputs,
        users: jax.Array,
        items: jax.Array,
        reviews: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """Embeddings of both ends of interactions as if each were not in the training data.

        Otherwise an item is predicted from itself: message passing carries its features to the
        user and the user's to it, and the text features of both include the interaction's review.
        That teaches nothing about items that the user has not seen.

        `z_{u∖i} = z_u − (A_ui y_i + m_u f(w_U r_ui / n_u)) / (L + 1)` removes all walks that start
        with the edge, and the review's share of the user's text, taken as a mean of n_u reviews;
        `z_{i∖u}` is the mirror image.

        Args:
            nodes: embeddings of all nodes.
            inputs: what they were made of.
            users: int32 `[b]` user rows.
            items: int32 `[b]` item rows, each a training interaction of the user.
            reviews: float `[b, width]`, text features of the reviews of the interactions, of norm 1
                or 0; None: they stay in the text features of both ends.

        Returns:
            float32 `[b, dim]` of the users and of the items, all columns, not normalized.
        """
        ends = [users, self.n_users + items]
        degrees = [inputs.user_degree[users], inputs.item_degree[items]]
        n_terms = self.settings.n_layers + 1
        left = [nodes.fused[end] for end in ends]
        if nodes.walks is not None:
            weights = jax.lax.rsqrt(degrees[0] * degrees[1])[:, None] / n_terms
            left = [
                z - weights * nodes.walks[other] for z, other in zip(left, ends[::-1], strict=True)
            ]
        if reviews is not None and self.settings.text_encoder != NONE:
            counts = (inputs.user_reviews[users], inputs.item_reviews[items])
            shares = self.text_tower(*(reviews / count[:, None] for count in counts))
            for side, share in enumerate(jnp.split(shares, 2)):
                if nodes.text_mask is not None:
                    share = share * nodes.text_mask[ends[side]]
                left[side] = left[side] - share / n_terms
        return self.shard.gather(left[0]), self.shard.gather(left[1])

    def direction(self, embeddings: jax.Array) -> jax.Array:
        """L2-normalizes embeddings `[n, dim]`, unless that is switched off."""
        return normalize_rows(embeddings) if self.settings.normalize else embeddings

    def popularity_bias(self, n_interactions: jax.Array) -> jax.Array:
        """The popularity prior `β log(1 + n)` of items with n training interactions, float32."""
        if not self.settings.popularity_prior:
            return jnp.zeros_like(n_interactions)
        return self.popularity_weight * jnp.log1p(n_interactions)

    def embed(self, inputs: ModelInputs) -> Embeddings:
        """Embeddings of all users and items, ready to score with."""
        fused = self.direction(self(inputs).fused)
        return Embeddings(
            users=fused[: self.n_users] / self.settings.temperature,
            items=fused[self.n_users :],
            item_bias=self.popularity_bias(inputs.item_degree),
        )
