"""The losses of one batch: ranking, cross-modal, intra-modal, regularisation."""

import functools
from typing import Any

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
        block_size: candidates whose logits are held at once.
        params: of the model.
        inputs: graph, features and interactions.
        nodes: embeddings of all nodes; by tower for the cross-modal and intra-modal losses.
        rows: int32 `[batch]`, interactions of all devices.
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
        rows: jax.Array,
        n_devices: int,
    ) -> None:
        self.model, self.config, self.block_size = model, config, block_size
        self.params, self.inputs, self.nodes = params, inputs, nodes
        self.rows, self.n_devices = rows, n_devices
        self.batch = inputs.interactions[rows]
        self._local = functools.partial(local_rows, n_devices=n_devices)
        self.local_batch = self._local(self.batch)
        self.temperature = self._apply("score_temperature")
        self.item_bias = self._apply("popularity_bias", inputs.model.item_degree)

    def _apply(self, method: str, *arguments: Any) -> Any:
        return self.model.apply({"params": self.params}, *arguments, method=method)

    @functools.cached_property
    def items(self) -> jax.Array:
        """Embeddings of all items, `[n_items, d]`."""
        return self.model.direction(self.nodes.fused[self.model.n_users :])

    @functools.cached_property
    def ends(self) -> tuple[jax.Array, jax.Array]:
        """Embeddings of the users and of the items of the whole batch, `[batch, d]` each."""
        users, items = self.batch.T
        exclude = self.config.exclude_target
        if exclude == "none":
            ends = (self.nodes.fused[users], self.nodes.fused[self.model.n_users + items])
        else:
            reviews = self.reviews if exclude == "review" else None
            ends = self._apply(
                "without_target", self.nodes, self.inputs.model, users, items, reviews
            )
        return self.model.direction(ends[0]), self.model.direction(ends[1])

    @functools.cached_property
    def reviews(self) -> jax.Array | None:
        """Text features of the reviews of the whole batch, `[batch, width]`; None without text."""
        text = self.inputs.review_text
        return None if text is None else text[self.rows].astype(jnp.float32)

    @functools.cached_property
    def users(self) -> jax.Array:
        """Embeddings of the users of this device's rows, `[b, d]`."""
        return self._local(self.ends[0])

    def _positive_scores(self, bias: jax.Array | None = None) -> jax.Array:
        """Scores of this device's interactions, `[b]`."""
        return losses.pair_scores(self.users, self._local(self.ends[1]), self.temperature, bias)

    @functools.cached_property
    def positive_bias(self) -> jax.Array:
        """The popularity prior of this device's positive items, `[b]`."""
        degree = self.inputs.model.item_degree[self.local_batch[:, 1]]
        if self.config.exclude_target != "none":
            degree = degree - 1  # as popular as it was without this interaction
        return self._apply("popularity_bias", degree)

    @functools.cached_property
    def batch_history(self) -> jax.Array:
        """Training items of the users of the whole batch, `[batch, h]`."""
        return self.inputs.history.of(self.batch[:, 0], fill=self.model.n_items)

    def item_ranking(self, key: jax.Array) -> losses.Terms:
        """The items compete for a user."""
        if self.config.ranking_loss == "bpr":
            return self._bpr(key)
        positive_items = self.local_batch[:, 1]
        positive_scores = self._positive_scores(self.positive_bias)
        if self.config.candidates == "catalog":
            history = self._local(self.batch_history)
            if self.config.false_negatives != "history":
                history = history[:, :0]
            return losses.catalog_sincere_terms(
                positive_scores,
                self.users,
                positive_items,
                self.items,
                history,
                self.temperature,
                item_bias=self.item_bias,
                block_size=self.block_size,
            )
        items = self.batch[:, 1]
        log_frequency = self._log_frequency(self.inputs.model.item_degree[items])
        return losses.in_batch_sincere_terms(
            positive_scores - self._local(log_frequency),
            self.users,
            self.items[items],
            self._left_out(1, self.batch.shape[0]),
            self.temperature,
            candidate_bias=self.item_bias[items] - log_frequency,
            block_size=self.block_size,
        )

    def user_ranking(self) -> losses.Terms:
        """The users of the batch compete for an item."""
        log_frequency = self._log_frequency(self.inputs.model.user_degree[self.batch[:, 0]])
        return losses.in_batch_sincere_terms(
            self._positive_scores() - self._local(log_frequency),
            self.items[self.local_batch[:, 1]],
            self.ends[0],
            self._left_out(0, self.batch.shape[0]),
            self.temperature,
            candidate_bias=-log_frequency,
            block_size=self.block_size,
        )

    def _left_out(self, column: int, n_rows: int) -> losses.LeftOut:
        """Which users (column 0) or items (column 1) of the batch are no negatives.

        Args:
            column: of the candidates; anchors are the other end of this device's interactions.
            n_rows: candidates are those of the first rows of the batch, and so are the anchors.
        """
        batch, history = self.batch[:n_rows], self.batch_history[:n_rows]
        positions, positives = self._local(jnp.arange(n_rows)), self._local(batch)

        def left_out(places: jax.Array) -> jax.Array:
            candidates = batch[places, column]
            known = None
            if self.config.false_negatives == "history":
                if column == 1:
                    known = losses.in_history(candidates, self._local(history))
                else:
                    known = losses.in_history(positives[:, 1], history[places]).T
            return losses.left_out_of_batch(
                self.config.false_negatives,
                positions,
                positives[:, column],
                places,
                candidates,
                known,
            )

        return left_out

    def _log_frequency(self, degree: jax.Array) -> jax.Array:
        """Log of the share of the interactions that a node takes part in, if it is corrected for.

        X. Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations", RecSys 2019.
        """
        if not self.config.logq_correction:
            return jnp.zeros_like(degree)
        return jnp.log(degree / self.inputs.interactions.shape[0])

    def _bpr(self, key: jax.Array) -> losses.Terms:
        # Drawn for the whole batch, so that they do not depend on the number of devices.
        drawn = jax.random.randint(key, (self.batch.shape[0],), 0, self.model.n_items)
        negative_items = self._local(drawn)
        taken = negative_items == self.local_batch[:, 1]
        if self.config.false_negatives == "history":
            history = self._local(self.batch_history)
            taken |= (history == negative_items[:, None]).any(axis=1)
        return self._preferred(negative_items, ~taken)

    def low_rated(self, key: jax.Array) -> losses.Terms:
        """What a user likes ranks above an item that the same user rated low, one a row."""
        users = self.batch[:, 0]
        lists = self.inputs.low_rated
        n_low = lists.start[users + 1] - lists.start[users]
        drawn = jax.random.randint(key, users.shape, 0, jnp.maximum(n_low, 1))
        last = max(lists.items.shape[0] - 1, 0)
        items = jnp.append(lists.items, 0)[jnp.minimum(lists.start[users] + drawn, last)]
        return self._preferred(self._local(items), self._local(n_low > 0))

    def _preferred(self, negative_items: jax.Array, keep: jax.Array) -> losses.Terms:
        """BPR of this device's interactions, each against one item, `[b]`."""
        negative_scores = losses.pair_scores(
            self.users, self.items[negative_items], self.temperature, self.item_bias[negative_items]
        )
        return losses.bpr_terms(self._positive_scores(self.positive_bias), negative_scores, keep)

    @property
    def _n_compared(self) -> int:
        """Rows of the batch that the losses between and within modalities compare."""
        n_rows = min(self.config.cross_modal_batch, self.batch.shape[0])
        return max(n_rows // self.n_devices, 1) * self.n_devices

    def cross_modal(self, column: int) -> losses.Terms:
        """Graph embeddings of users (column 0) or items (column 1) agree with their texts."""
        assert self.nodes.graph is not None
        assert self.nodes.text is not None
        labels = self.batch[: self._n_compared, column]
        nodes = labels + column * self.model.n_users
        graph = self.model.direction(self.nodes.graph[nodes])
        text = self.nodes.text[nodes]
        if self.config.cross_modal_view == "review":
            assert self.reviews is not None
            text = self._apply("project_reviews", self.reviews[: self._n_compared])
        text = self.model.direction(text)
        return losses.cross_modal_terms(
            self._local(graph),
            self._local(text),
            graph,
            text,
            self._local(labels),
            labels,
            self.temperature,
            average=self.config.cross_modal_average,
            direction=self.config.cross_modal_direction,
            block_size=self.block_size,
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
        n_rows = self._n_compared
        users, items = self.batch[:n_rows].T
        ends = [self.model.direction(nodes[rows]) for rows in (users, self.model.n_users + items)]
        local = [self._local(end) for end in ends]
        scores = losses.pair_scores(local[0], local[1], self.temperature)
        totals = [
            losses.in_batch_sincere_terms(
                scores,
                local[side],
                ends[1 - side],
                self._left_out(1 - side, n_rows),
                self.temperature,
                block_size=self.block_size,
            )
            for side in (0, 1)
        ]
        return (totals[0][0] + totals[1][0]) / 2, totals[0][1]

    def embedding_l2(self) -> losses.Terms:
        """Half the squared norm of the graph embeddings of this device's users and items."""
        embedding = self.params["graph_tower"]["embedding"]
        users, items = self.local_batch.T
        rows = jnp.stack([embedding[users], embedding[self.model.n_users + items]])
        return 0.5 * (rows * rows).sum(), jnp.float32(users.shape[0])
