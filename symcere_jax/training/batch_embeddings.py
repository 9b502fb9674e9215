"""The embeddings that the losses of a step read.

A step's message passing serves all its interactions; their losses are taken in micro-batches. What
a micro-batch reads is therefore gathered from the nodes once for the whole step, row by row, so
that the cost of a micro-batch does not grow with the number of nodes.
"""

import dataclasses
from typing import Any, cast

import flax.struct
import jax
import jax.numpy as jnp

from symcere_jax.models import NODE_PARAMS, NodeEmbeddings, SymCERE
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.batch import Batch
from symcere_jax.training.inputs import TrainInputs


@flax.struct.dataclass
class RowEmbeddings:
    """What the ranking losses read of each interaction; directions, unless that is switched off.

    Attributes:
        users: float32 `[b, d]`, as if the interaction were not in the training data.
        items: float32 `[b, d]`, likewise.
        positive_bias: float32 `[b]`, popularity prior of these items, likewise.
        whole_items: float32 `[b, d]`, the same items with nothing taken out; None where no loss
            reads them.
        whole_bias: float32 `[b]`, their popularity prior.
        negatives: float32 `[b, d]`, of the drawn items; None where there are none.
        negative_bias: float32 `[b]`, their popularity prior.
        low_rated: float32 `[b, d]`, of items that the user rated low; None where there are none.
        low_rated_bias: float32 `[b]`, their popularity prior.
        squares: float32 `[b]`, squared norms of the graph tower's embeddings of both ends, added;
            None where no loss reads them.
        candidates: float32 `[c, d]`, of the drawn items that compete; None where they are not
            drawn.
        candidate_bias: float32 `[c]`, their popularity prior.
    """

    users: jax.Array
    items: jax.Array
    positive_bias: jax.Array
    whole_bias: jax.Array
    whole_items: jax.Array | None = None
    negatives: jax.Array | None = None
    negative_bias: jax.Array | None = None
    low_rated: jax.Array | None = None
    low_rated_bias: jax.Array | None = None
    squares: jax.Array | None = None
    candidates: jax.Array | None = None
    candidate_bias: jax.Array | None = None


@flax.struct.dataclass
class ModalEmbeddings:
    """What the cross-modal and intra-modal losses read: users and items by modality.

    Attributes:
        graph: float32 `[b, d]` of the users and of the items; None without a graph tower.
        text: likewise of the text tower.
        reviews: float32 `[b, d]`, texts of the single interactions; None where no loss reads them.
    """

    graph: tuple[jax.Array, jax.Array] | None = None
    text: tuple[jax.Array, jax.Array] | None = None
    reviews: jax.Array | None = None


@flax.struct.dataclass
class SharedEmbeddings:
    """What all micro-batches of a step read.

    Attributes:
        temperature: float32 scalar.
        items: float32 `[n_items, d]`, where all of them compete; None otherwise.
        item_bias: float32 `[n_items]`, their popularity prior.
    """

    temperature: jax.Array
    items: jax.Array | None = None
    item_bias: jax.Array | None = None


@dataclasses.dataclass(frozen=True)
class BatchEmbedder:
    """Embeds the interactions of a step; inside `pmap` only.

    Attributes:
        model: gives the embeddings; as this device runs it (see `SymCERE.shared`).
        config: which losses will read them.
        inputs: graph, features and interactions.
    """

    model: SymCERE
    config: ResolvedSettings
    inputs: TrainInputs

    def __call__(
        self,
        params: dict,
        rows: jax.Array,
        batch: Batch,
        compared: jax.Array,
        dropout_key: jax.Array,
    ) -> tuple[RowEmbeddings, ModalEmbeddings, SharedEmbeddings]:
        """Embeds all nodes, then gathers what the losses read. Differentiable in `params`.

        Args:
            params: of the model.
            rows: int32 `[b]` rows of the interactions.
            batch: the same interactions.
            compared: int32 `[c]` places in the batch of those that modalities are compared at.
            dropout_key: the same on every device.
        """
        config, model = self.config, self.model
        by_tower = model.has_both_towers and (
            config.cross_modal_weight > 0 or config.intra_modal_weight > 0
        )
        nodes = cast(
            NodeEmbeddings,
            model.apply(
                {"params": params},
                self.inputs.model,
                train=True,
                by_tower=by_tower,
                rngs={"dropout": dropout_key},
            ),
        )
        reviews = None
        if self.inputs.review_text is not None:
            reviews = self.inputs.review_text[rows].astype(jnp.float32)
        return (
            self._of_rows(params, nodes, batch, reviews),
            self._of_modalities(params, nodes, batch, compared, reviews),
            self._shared(params, nodes, batch),
        )

    def _rows(self, table: jax.Array, rows: jax.Array | slice) -> jax.Array:
        """Some rows of a table of all nodes, with all columns."""
        return self.model.held.whole(table[rows])

    def _apply(self, params: dict, method: str, *arguments: Any) -> Any:
        return self.model.apply({"params": params}, *arguments, method=method)

    def _of_rows(
        self, params: dict, nodes: NodeEmbeddings, batch: Batch, reviews: jax.Array | None
    ) -> RowEmbeddings:
        model, config = self.model, self.config
        item_nodes = model.n_users + batch.items
        degree = self.inputs.model.item_degree
        if config.exclude_target == "none":
            ends = (self._rows(nodes.fused, batch.users), self._rows(nodes.fused, item_nodes))
            positive_degree = degree[batch.items]
        else:
            excluded = reviews if config.exclude_target == "review" else None
            arguments = (nodes, self.inputs.model, batch.users, batch.items, excluded)
            ends = self._apply(params, "without_target", *arguments)
            positive_degree = degree[batch.items] - 1  # as popular as it was without this one

        def bias(degree: jax.Array) -> jax.Array:
            return self._apply(params, "popularity_bias", degree)

        def drawn(items: jax.Array | None) -> tuple[jax.Array | None, jax.Array | None]:
            if items is None:
                return None, None
            items = jnp.minimum(items, model.n_items - 1)
            embeddings = model.direction(self._rows(nodes.fused, model.n_users + items))
            return embeddings, bias(degree[items])

        negatives, negative_bias = drawn(batch.negatives)
        low_rated, low_rated_bias = drawn(batch.low_rated)
        candidates, candidate_bias = drawn(batch.candidates)
        squares = None
        if config.embedding_l2 > 0 and model.config.graph_embeddings:
            table = params[NODE_PARAMS]["embedding"]
            squares = (table[batch.users] ** 2).sum(axis=1) + (table[item_nodes] ** 2).sum(axis=1)
            squares = model.held.sum(squares)
        whole_items = None
        if config.candidates == "in_batch" or config.user_ranking_weight > 0:
            whole_items = model.direction(self._rows(nodes.fused, item_nodes))
        return RowEmbeddings(
            users=model.direction(ends[0]),
            items=model.direction(ends[1]),
            positive_bias=bias(positive_degree),
            whole_items=whole_items,
            whole_bias=bias(degree[batch.items]),
            negatives=negatives,
            negative_bias=negative_bias,
            low_rated=low_rated,
            low_rated_bias=low_rated_bias,
            squares=squares,
            candidates=candidates,
            candidate_bias=candidate_bias,
        )

    def _of_modalities(
        self,
        params: dict,
        nodes: NodeEmbeddings,
        batch: Batch,
        compared: jax.Array,
        reviews: jax.Array | None,
    ) -> ModalEmbeddings:
        model, config = self.model, self.config
        cross_modal = model.has_both_towers and config.cross_modal_weight > 0
        if not cross_modal and config.intra_modal_weight == 0:
            return ModalEmbeddings()
        ends = (batch.users[compared], model.n_users + batch.items[compared])

        def of(table: jax.Array) -> tuple[jax.Array, jax.Array]:
            users, items = (model.direction(self._rows(table, rows)) for rows in ends)
            return users, items

        if not model.has_both_towers:
            only = of(nodes.fused)
            if model.config.graph_embeddings:
                return ModalEmbeddings(graph=only)
            return ModalEmbeddings(text=only)
        assert nodes.graph is not None
        assert nodes.text is not None
        of_reviews = None
        if cross_modal and config.cross_modal_view == "review":
            assert reviews is not None
            projected = self._apply(params, "project_reviews", reviews[compared])
            of_reviews = model.direction(projected)
        return ModalEmbeddings(of(nodes.graph), of(nodes.text), of_reviews)

    def _shared(self, params: dict, nodes: NodeEmbeddings, batch: Batch) -> SharedEmbeddings:
        temperature = jnp.float32(self._apply(params, "score_temperature"))
        in_batch = self.config.ranking_loss == "bpr" or self.config.candidates == "in_batch"
        if in_batch or batch.candidates is not None:
            return SharedEmbeddings(temperature)
        n_users, n_items = self.model.n_users, self.model.n_items
        items = self._rows(nodes.fused, slice(n_users, n_users + n_items))
        bias = self._apply(params, "popularity_bias", self.inputs.model.item_degree)
        return SharedEmbeddings(temperature, self.model.direction(items), bias)
