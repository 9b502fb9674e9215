"""The embeddings of a step, of which its loss terms read some rows.

One message passing serves a whole step, while its losses are computed in micro-batches. What these
read is gathered from the nodes once, row by row, so that the cost of a micro-batch does not grow
with the number of nodes.
"""

import dataclasses
from typing import Any, Literal, cast

import flax.struct
import jax
import jax.numpy as jnp

from symcere_jax.models import NodeEmbeddings, SymCERE
from symcere_jax.training.objective.batch import Batch
from symcere_jax.training.train_inputs import TrainInputs

Modality = Literal["graph", "text"]


@flax.struct.dataclass
class PairEmbeddings:
    """Both ends of the interactions of a batch, as if these were not in the training data."""

    users: jax.Array  # float32 `[b, d]`, directions if `normalize` is on
    items: jax.Array  # float32 `[b, d]`, directions if `normalize` is on
    item_bias: jax.Array  # float32 `[b]`, popularity prior of the items


@dataclasses.dataclass(frozen=True)
class StepEmbeddings:
    """All nodes of a step, embedded once; inside `map_devices`, differentiable in `params`."""

    model: SymCERE  # as this device runs it, with its columns of the embeddings
    params: dict
    inputs: TrainInputs  # graph, features and interactions
    nodes: NodeEmbeddings  # embeddings of all nodes, this device's columns

    @classmethod
    def embed(
        cls, model: SymCERE, params: dict, inputs: TrainInputs, key: jax.Array
    ) -> "StepEmbeddings":
        """Passes messages once; the key, of dropout, is the same on every device."""
        settings = model.settings
        by_tower = model.has_both_towers and (
            settings.cross_modal_weight > 0 or settings.intra_modal_weight > 0
        )
        nodes = model.apply(
            {"params": params}, inputs.model, train=True, by_tower=by_tower, rngs={"dropout": key}
        )
        return cls(model, params, inputs, cast(NodeEmbeddings, nodes))

    def rows(self, table: jax.Array, rows: jax.Array | slice) -> jax.Array:
        """Directions of some nodes, `[n, d]`, all columns; unnormalized if `normalize` is off.

        Args:
            table: float32 `[n_nodes, share]`, one of the tables of `nodes`.
            rows: int32 `[n]` node rows, or a slice of them.
        """
        return self.model.direction(self.model.shard.gather(table[rows]))

    def items(self, items: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Directions `[n, d]` and popularity prior `[n]` of some items, int32 `[n]`."""
        degree = self.inputs.model.item_degree[items]
        return self.rows(self.nodes.fused, self.model.n_users + items), self.bias(degree)

    def all_items(self) -> tuple[jax.Array, jax.Array]:
        """Directions `[n_items, d]` and popularity prior `[n_items]` of all items."""
        first = self.model.n_users
        items = self.rows(self.nodes.fused, slice(first, first + self.model.n_items))
        return items, self.bias(self.inputs.model.item_degree)

    def pairs(self, batch: Batch) -> PairEmbeddings:
        """Both ends of the interactions, with what `exclude_target` names removed from them."""
        model, exclude = self.model, self.model.settings.exclude_target
        degree = self.inputs.model.item_degree[batch.items]
        if exclude == "none":
            table = self.nodes.fused
            users = self.rows(table, batch.users)
            items = self.rows(table, model.n_users + batch.items)
            return PairEmbeddings(users, items, self.bias(degree))
        reviews = None
        if exclude == "review" and self.inputs.review_text is not None:
            reviews = self.inputs.review_text[batch.rows].astype(jnp.float32)
        arguments = (self.nodes, self.inputs.model, batch.users, batch.items, reviews)
        ends = self._apply("without_target", *arguments)
        users, items = (model.direction(end) for end in ends)
        # As popular as the item was without this interaction.
        return PairEmbeddings(users, items, self.bias(degree - 1))

    def table(self, modality: Modality) -> jax.Array:
        """The share of one tower in the node embeddings, float32 `[n_nodes, share]`."""
        if not self.model.has_both_towers:
            return self.nodes.fused
        return cast(jax.Array, getattr(self.nodes, modality))

    def bias(self, degree: jax.Array) -> jax.Array:
        """Popularity prior of items with these numbers of interactions, float32 like `degree`."""
        return self._apply("popularity_bias", degree)

    def _apply(self, method: str, *arguments: Any) -> Any:
        return self.model.apply({"params": self.params}, *arguments, method=method)
