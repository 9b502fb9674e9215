"""The losses of one batch: ranking, cross-modal, intra-modal, regularisation."""

import functools
from typing import cast

import jax
import jax.numpy as jnp

from symcere_jax import losses
from symcere_jax.config import LossConfig
from symcere_jax.models import NodeEmbeddings, SymCERE
from symcere_jax.training.devices import local_rows
from symcere_jax.training.inputs import TrainInputs


class BatchLosses:
    """The losses of one batch, and what they share; inside `pmap` only.

    Anchors are this device's rows of the batch; in-batch candidates are those of all devices.

    Args:
        model: gives the embeddings.
        config: which losses, and how.
        block_size: items whose logits are held at once.
        params: of the model.
        inputs: graph, features and interactions.
        nodes: embeddings of all nodes; by tower for the cross-modal and intra-modal losses.
        batch: int32 `[batch, 2]`, pairs (user, item) of all devices.
        n_devices: devices along the axis.
    """

    def __init__(
        self,
        model: SymCERE,
        config: LossConfig,
        block_size: int,
        params: dict,
        inputs: TrainInputs,
        nodes: NodeEmbeddings,
        batch: jax.Array,
        n_devices: int,
    ) -> None:
        self.model, self.config, self.block_size = model, config, block_size
        self.params, self.inputs, self.nodes = params, inputs, nodes
        self.batch, self.local_batch = batch, local_rows(batch, n_devices)
        self.n_devices = n_devices
        self.positions = local_rows(jnp.arange(batch.shape[0]), n_devices)
        self.item_bias = cast(
            jax.Array, self.model.apply({"params": params}, inputs.model, method="item_bias")
        )

    @functools.cached_property
    def items(self) -> jax.Array:
        """Embeddings of all items, `[n_items, d]`."""
        return self.model.direction(self.nodes.fused[self.model.n_users :])

    @functools.cached_property
    def batch_users(self) -> jax.Array:
        """Embeddings of the users of the whole batch, `[batch, d]`."""
        users, items = self.batch.T
        if not self.config.exclude_target:
            return self.model.direction(self.nodes.fused[users])
        return self.model.direction(
            self.model.without_target(self.nodes, self.inputs.model, users, items)
        )

    @functools.cached_property
    def users(self) -> jax.Array:
        """Embeddings of the users of this device's rows, `[b, d]`."""
        return local_rows(self.batch_users, self.n_devices)

    @functools.cached_property
    def batch_history(self) -> jax.Array:
        """Training items of the users of the whole batch, `[batch, h]`."""
        return self.inputs.history(self.batch[:, 0], fill=self.model.n_items)

    def item_ranking(self, key: jax.Array) -> losses.Terms:
        """The items compete for a user."""
        if self.config.ranking_loss == "bpr":
            return self._bpr(key)
        positive_items = self.local_batch[:, 1]
        if self.config.candidates == "catalog":
            history = local_rows(self.batch_history, self.n_devices)
            if self.config.false_negatives != "history":
                history = history[:, :0]
            return losses.catalog_sincere_terms(
                self.users,
                positive_items,
                self.items,
                history,
                self.config.temperature,
                item_bias=self.item_bias,
                block_size=self.block_size,
            )
        items = self.batch[:, 1]
        bias = self.item_bias[items] - self._log_frequency(self.inputs.model.item_degree[items])
        return losses.in_batch_sincere_terms(
            self.users,
            self.items[items],
            self.positions,
            self.left_out_items,
            self.config.temperature,
            candidate_bias=bias,
        )

    def user_ranking(self) -> losses.Terms:
        """The users of the batch compete for an item."""
        users = self.batch[:, 0]
        return losses.in_batch_sincere_terms(
            self.items[self.local_batch[:, 1]],
            self.batch_users,
            self.positions,
            self.left_out_users,
            self.config.temperature,
            candidate_bias=-self._log_frequency(self.inputs.model.user_degree[users]),
        )

    @functools.cached_property
    def left_out_items(self) -> jax.Array:
        """Items of the batch that are no negatives of this device's users, `[b, batch]`."""
        items = self.batch[:, 1]
        known = None
        if self.config.false_negatives == "history":
            known = losses.in_history(items, local_rows(self.batch_history, self.n_devices))
        return losses.left_out_of_batch(
            self.config.false_negatives, self.positions, self.local_batch[:, 1], items, known
        )

    @functools.cached_property
    def left_out_users(self) -> jax.Array:
        """Users of the batch that are no negatives of this device's items, `[b, batch]`."""
        known = None
        if self.config.false_negatives == "history":
            known = losses.in_history(self.local_batch[:, 1], self.batch_history).T
        return losses.left_out_of_batch(
            self.config.false_negatives,
            self.positions,
            self.local_batch[:, 0],
            self.batch[:, 0],
            known,
        )

    def _log_frequency(self, degree: jax.Array) -> jax.Array:
        """Log of the share of the interactions that a node takes part in, if it is corrected for.

        X. Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations", RecSys 2019.
        """
        if not self.config.logq_correction:
            return jnp.zeros_like(degree)
        return jnp.log(degree / self.inputs.interactions.shape[0])

    def _bpr(self, key: jax.Array) -> losses.Terms:
        positive_items = self.local_batch[:, 1]
        # Drawn for the whole batch, so that they do not depend on the number of devices.
        drawn = jax.random.randint(key, (self.batch.shape[0],), 0, self.model.n_items)
        negative_items = local_rows(drawn, self.n_devices)
        taken = negative_items == positive_items
        if self.config.false_negatives == "history":
            history = local_rows(self.batch_history, self.n_devices)
            taken |= (history == negative_items[:, None]).any(axis=1)
        return losses.bpr_terms(
            self.users,
            self.items[positive_items],
            self.items[negative_items],
            self.config.temperature,
            positive_bias=self.item_bias[positive_items],
            negative_bias=self.item_bias[negative_items],
            keep=~taken,
        )

    def cross_modal(self, column: int) -> losses.Terms:
        """Graph and text embeddings of the same users (column 0) or items (column 1) agree."""
        assert self.nodes.graph is not None
        assert self.nodes.text is not None
        labels = self.batch[:, column]
        nodes = labels + column * self.model.n_users
        graph = self.model.direction(self.nodes.graph[nodes])
        text = self.model.direction(self.nodes.text[nodes])
        return losses.cross_modal_terms(
            local_rows(graph, self.n_devices),
            local_rows(text, self.n_devices),
            graph,
            text,
            local_rows(labels, self.n_devices),
            labels,
            self.config.temperature,
            average=self.config.cross_modal_average,
            direction=self.config.cross_modal_direction,
        )

    def modalities(self) -> dict[str, jax.Array]:
        """Embeddings of all nodes by modality, `[n_nodes, d]`."""
        if not self.model.has_both_towers:
            return {"graph" if self.model.config.graph_embeddings else "text": self.nodes.fused}
        assert self.nodes.graph is not None
        assert self.nodes.text is not None
        return {"graph": self.nodes.graph, "text": self.nodes.text}

    def intra_modal(self, nodes: jax.Array) -> losses.Terms:
        """Users and items of an interaction agree within one modality."""
        users, items = self.batch.T
        user_embeddings = self.model.direction(nodes[users])
        item_embeddings = self.model.direction(nodes[self.model.n_users + items])
        local = functools.partial(local_rows, n_devices=self.n_devices)
        to_items = losses.in_batch_sincere_terms(
            local(user_embeddings),
            item_embeddings,
            self.positions,
            self.left_out_items,
            self.config.temperature,
        )
        to_users = losses.in_batch_sincere_terms(
            local(item_embeddings),
            user_embeddings,
            self.positions,
            self.left_out_users,
            self.config.temperature,
        )
        return (to_items[0] + to_users[0]) / 2, to_items[1]

    def embedding_l2(self) -> losses.Terms:
        """Half the squared norm of the graph embeddings of this device's users and items."""
        embedding = self.params["graph_tower"]["embedding"]
        users, items = self.local_batch.T
        rows = jnp.stack([embedding[users], embedding[self.model.n_users + items]])
        return 0.5 * (rows * rows).sum(), jnp.float32(users.shape[0])
