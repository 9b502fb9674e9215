"""The objective of a batch: ranking, cross-modal alignment, regularisation."""

import dataclasses
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax import losses
from symcere_jax.config import LossConfig
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.models import ModelInputs, NodeEmbeddings, SymCERE
from symcere_jax.training.devices import AXIS, local_rows

Loss = tuple[jax.Array, dict[str, jax.Array]]


@flax.struct.dataclass
class TrainInputs:
    """What a training step reads besides the state, the same at every step.

    Attributes:
        model: inputs of the model.
        interactions: int32 `[n, 2]`, the training pairs (user, item).
        history_start: int32 `[n_users + 1]`; user u has `history_items[start[u]:start[u + 1]]`.
        history_items: int32 `[n]`, training items of each user, ascending.
        max_history: the longest history.
    """

    model: ModelInputs
    interactions: jax.Array
    history_start: jax.Array
    history_items: jax.Array
    max_history: int = flax.struct.field(pytree_node=False)

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, model: ModelInputs) -> "TrainInputs":
        """Collects the training interactions of a prepared folder."""
        history = Interactions.from_pairs(dataset.train, dataset.n_users)
        return cls(
            model=model,
            interactions=np.asarray(dataset.train),
            history_start=history.indptr.astype(np.int32),
            history_items=history.items,
            max_history=int(np.diff(history.indptr).max()),
        )

    def history(self, users: jax.Array, fill: int) -> jax.Array:
        """Training items of some users, as a rectangle.

        Args:
            users: int32 `[b]` user rows.
            fill: follows a user's last item.

        Returns:
            int32 `[b, max_history]`.
        """
        start, end = self.history_start[users, None], self.history_start[users + 1, None]
        places = start + jnp.arange(self.max_history)
        items = self.history_items[jnp.minimum(places, self.history_items.shape[0] - 1)]
        return jnp.where(places < end, items, fill)


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weighted sum of the losses of a batch; a term of weight 0 is not computed.

    Attributes:
        model: gives the embeddings.
        config: which losses, and how.
        block_size: items whose logits are held at once.
    """

    model: SymCERE
    config: LossConfig
    block_size: int = 4096  # fits the cache beside a batch; measured on CPU

    def __call__(
        self, params: dict, inputs: TrainInputs, batch: jax.Array, key: jax.Array, n_devices: int
    ) -> Loss:
        """This device's share of the loss of a batch; inside `pmap` only.

        Summed over devices, shares and their gradients are those of the whole batch: it does not
        matter how many devices there are.

        Args:
            params: of the model.
            inputs: graph, features and interactions.
            batch: int32 `[batch, 2]`, pairs (user, item) of all devices.
            key: for dropout and sampled negatives, the same on every device.
            n_devices: devices along the axis.

        Returns:
            Share of the total, and of each term by name.
        """
        config, model = self.config, self.model
        aligned = config.cross_modal_weight > 0 and model.has_both_towers
        dropout_key, negative_key = jax.random.split(key)
        nodes = model.apply(
            {"params": params},
            inputs.model,
            train=True,
            by_tower=aligned,
            rngs={"dropout": dropout_key},
        )
        views = _Views(self, params, inputs, nodes, batch, n_devices)
        terms = {"ranking": (1.0, views.item_ranking(negative_key))}
        if config.user_ranking_weight > 0:
            terms["user_ranking"] = (config.user_ranking_weight, views.user_ranking())
        if aligned:
            weight = config.cross_modal_weight / 2
            for side, column, first in (("user", 0, 0), ("item", 1, model.n_users)):
                terms[f"cross_modal_{side}"] = (weight, views.cross_modal(column, first))
        if config.embedding_l2 > 0 and model.config.graph_embeddings:
            terms["embedding_l2"] = (config.embedding_l2, views.embedding_l2())
        shares = {
            name: total / jnp.maximum(jax.lax.psum(count, AXIS), 1.0)
            for name, (_, (total, count)) in terms.items()
        }
        loss = sum(weight * shares[name] for name, (weight, _) in terms.items())
        return jnp.asarray(loss), shares | {"loss": jnp.asarray(loss)}


class _Views:
    """What the losses of one batch share: rows of this device and of all devices."""

    def __init__(
        self,
        objective: Objective,
        params: dict,
        inputs: TrainInputs,
        nodes: NodeEmbeddings,
        batch: jax.Array,
        n_devices: int,
    ) -> None:
        self.config, self.model = objective.config, objective.model
        self.block_size = objective.block_size
        self.params, self.inputs, self.nodes = params, inputs, nodes
        self.batch, self.local_batch = batch, local_rows(batch, n_devices)
        self.n_devices = n_devices
        self.positions = local_rows(jnp.arange(batch.shape[0]), n_devices)
        self.item_bias = self.model.apply({"params": params}, inputs.model, method="item_bias")

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
        known = None
        if self.config.false_negatives == "history":
            known = losses.in_history(items, local_rows(self.batch_history, self.n_devices))
        left_out = losses.left_out_of_batch(
            self.config.false_negatives, self.positions, positive_items, items, known
        )
        return losses.in_batch_sincere_terms(
            self.users,
            self.items[items],
            self.positions,
            left_out,
            self.config.temperature,
            candidate_bias=self.item_bias[items],
        )

    def user_ranking(self) -> losses.Terms:
        """The users of the batch compete for an item."""
        users = self.batch[:, 0]
        known = None
        if self.config.false_negatives == "history":
            # Users of the batch who interacted with this device's items.
            known = losses.in_history(self.local_batch[:, 1], self.batch_history).T
        left_out = losses.left_out_of_batch(
            self.config.false_negatives, self.positions, self.local_batch[:, 0], users, known
        )
        return losses.in_batch_sincere_terms(
            self.items[self.local_batch[:, 1]],
            self.batch_users,
            self.positions,
            left_out,
            self.config.temperature,
        )

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

    def cross_modal(self, column: int, first_node: int) -> losses.Terms:
        """Graph and text embeddings of the same users (column 0) or items (column 1) agree."""
        assert self.nodes.graph is not None
        assert self.nodes.text is not None
        labels = self.batch[:, column]
        graph = self.model.direction(self.nodes.graph[first_node + labels])
        text = self.model.direction(self.nodes.text[first_node + labels])
        return losses.cross_modal_terms(
            local_rows(graph, self.n_devices),
            local_rows(text, self.n_devices),
            graph,
            text,
            local_rows(labels, self.n_devices),
            labels,
            self.config.temperature,
        )

    def embedding_l2(self) -> losses.Terms:
        """Half the squared norm of the graph embeddings of this device's users and items."""
        embedding = self.params["graph_tower"]["embedding"]
        users, items = self.local_batch.T
        rows = jnp.stack([embedding[users], embedding[self.model.n_users + items]])
        return 0.5 * (rows * rows).sum(), jnp.float32(users.shape[0])
