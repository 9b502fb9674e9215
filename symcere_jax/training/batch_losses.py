"""The losses of one micro-batch: ranking, cross-modal, intra-modal, regularisation."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from symcere_jax import losses
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.batch import Batch, ItemCycle
from symcere_jax.training.batch_embeddings import ModalEmbeddings, RowEmbeddings, SharedEmbeddings
from symcere_jax.training.devices import local_rows
from symcere_jax.training.inputs import MAX_HISTORY, TrainInputs


@dataclasses.dataclass(frozen=True)
class BatchLosses:
    """The losses of one micro-batch; inside `pmap` only.

    Anchors are this device's rows of it; candidates that are its own are those of all devices.

    Attributes:
        config: which losses, and how.
        inputs: lists of items, and how often users and items occur.
        n_devices: devices along the axis.
        block_size: candidates whose logits are held at once.
        batch: the interactions, of all devices.
        cycle: what candidates come from; None where they are not drawn.
        rows: embeddings of the interactions and of the candidates that are drawn for them.
        modal: embeddings by modality of the first of them.
        shared: embeddings that all micro-batches read.
    """

    config: ResolvedSettings
    inputs: TrainInputs
    n_devices: int
    block_size: int
    batch: Batch
    cycle: ItemCycle | None
    rows: RowEmbeddings
    modal: ModalEmbeddings
    shared: SharedEmbeddings

    def _local(self, rows: jax.Array) -> jax.Array:
        return local_rows(rows, self.n_devices)

    @property
    def _n_items(self) -> int:
        return self.inputs.model.item_degree.shape[0]

    @functools.cached_property
    def users(self) -> jax.Array:
        """Embeddings of the users of this device's rows, `[b, d]`."""
        return self._local(self.rows.users)

    def _positive_scores(self, bias: jax.Array | None = None) -> jax.Array:
        """Scores of this device's interactions, `[b]`."""
        items = self._local(self.rows.items)
        return losses.pair_scores(self.users, items, self.shared.temperature, bias)

    def _histories(self, rows: jax.Array) -> losses.ItemLists:
        """Training items of the users of some rows of the micro-batch."""
        start = self.batch.history_start
        first = None if start is None else start[rows]
        return self.inputs.history.lists(self.batch.users[rows], MAX_HISTORY, first)

    def item_ranking(self) -> losses.Terms:
        """The items compete for a user."""
        positive_bias = self._local(self.rows.positive_bias)
        if self.config.ranking_loss == "bpr":
            return self._bpr()
        positive_scores = self._positive_scores(positive_bias)
        if self.config.candidates == "in_batch":
            assert self.rows.whole_items is not None
            log_frequency = self._log_frequency(self.inputs.model.item_degree[self.batch.items])
            return losses.in_batch_sincere_terms(
                positive_scores - self._local(log_frequency),
                self.users,
                self.rows.whole_items,
                self._left_out("items", self.batch.items.shape[0]),
                self.shared.temperature,
                candidate_bias=self.rows.whole_bias - log_frequency,
                block_size=self.block_size,
            )
        if self.cycle is None:
            items, bias, item_rows = self.shared.items, self.shared.item_bias, None
        else:
            assert self.batch.first_candidate is not None
            items, bias = self.rows.candidates, self.rows.candidate_bias
            item_rows = losses.ItemRows(self.cycle.places, self.batch.first_candidate[0])
        assert items is not None
        assert bias is not None
        histories = None
        if self.config.false_negatives == "history":
            histories = self._histories(self._local(jnp.arange(self.batch.users.shape[0])))
        return losses.catalog_sincere_terms(
            positive_scores,
            self.users,
            self._local(self.batch.items),
            items,
            histories,
            self.shared.temperature,
            # Each of c drawn candidates stands for n_items / c items.
            item_bias=bias + math.log(self._n_items / items.shape[0]),
            item_rows=item_rows,
            block_size=self.block_size,
        )

    def user_ranking(self) -> losses.Terms:
        """The users of the micro-batch compete for an item."""
        assert self.rows.whole_items is not None
        log_frequency = self._log_frequency(self.inputs.model.user_degree[self.batch.users])
        return losses.in_batch_sincere_terms(
            self._positive_scores() - self._local(log_frequency),
            self._local(self.rows.whole_items),
            self.rows.users,
            self._left_out("users", self.batch.users.shape[0]),
            self.shared.temperature,
            candidate_bias=-log_frequency,
            block_size=self.block_size,
        )

    def _left_out(self, column: str, n_rows: int) -> losses.LeftOut:
        """Which users or items of the micro-batch are no negatives.

        Args:
            column: "users" or "items", of the candidates; anchors are the other end of this
                device's interactions.
            n_rows: candidates are those of the first rows, and so are the anchors.
        """
        candidates = getattr(self.batch, column)[:n_rows]
        positions, positives = self._local(jnp.arange(n_rows)), self._local(candidates)
        items = self._local(self.batch.items[:n_rows])
        by_history = self.config.false_negatives == "history"

        def left_out(places: jax.Array) -> jax.Array:
            known = None
            if by_history and column == "items":
                known = losses.in_history(candidates[places], self._histories(positions))
            elif by_history:
                known = losses.in_history(items, self._histories(places)).T
            return losses.left_out_of_batch(
                self.config.false_negatives,
                positions,
                positives,
                places,
                candidates[places],
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

    def _bpr(self) -> losses.Terms:
        assert self.batch.negatives is not None
        negatives = self._local(self.batch.negatives)
        taken = negatives == self._local(self.batch.items)
        if self.config.false_negatives == "history":
            taken |= self.inputs.history.contains(self._local(self.batch.users), negatives)
        return self._preferred(self.rows.negatives, self.rows.negative_bias, ~taken)

    def low_rated(self) -> losses.Terms:
        """What a user likes ranks above an item that the same user rated low, one a row."""
        assert self.batch.low_rated is not None
        found = self._local(self.batch.low_rated) < self._n_items
        return self._preferred(self.rows.low_rated, self.rows.low_rated_bias, found)

    def _preferred(
        self, others: jax.Array | None, bias: jax.Array | None, keep: jax.Array
    ) -> losses.Terms:
        """BPR of this device's interactions, each against one other item, `[b]`."""
        assert others is not None
        assert bias is not None
        negative_scores = losses.pair_scores(
            self.users, self._local(others), self.shared.temperature, self._local(bias)
        )
        positive_bias = self._local(self.rows.positive_bias)
        return losses.bpr_terms(self._positive_scores(positive_bias), negative_scores, keep)

    def cross_modal(self, column: int) -> losses.Terms:
        """Graph embeddings of users (column 0) or items (column 1) agree with their texts."""
        assert self.modal.graph is not None
        assert self.modal.text is not None
        graph, text = self.modal.graph[column], self.modal.text[column]
        if self.modal.reviews is not None:
            text = self.modal.reviews
        labels = (self.batch.users, self.batch.items)[column][: graph.shape[0]]
        return losses.cross_modal_terms(
            self._local(graph),
            self._local(text),
            graph,
            text,
            self._local(labels),
            labels,
            self.shared.temperature,
            average=self.config.cross_modal_average,
            direction=self.config.cross_modal_direction,
            block_size=self.block_size,
        )

    def modalities(self) -> dict[str, tuple[jax.Array, jax.Array]]:
        """Embeddings of users and items by modality, `[b, d]` each."""
        both = {"graph": self.modal.graph, "text": self.modal.text}
        return {name: ends for name, ends in both.items() if ends is not None}

    def intra_modal(self, ends: tuple[jax.Array, jax.Array]) -> losses.Terms:
        """Users and items of an interaction agree within one modality."""
        n_rows = ends[0].shape[0]
        local = [self._local(end) for end in ends]
        scores = losses.pair_scores(local[0], local[1], self.shared.temperature)
        totals = [
            losses.in_batch_sincere_terms(
                scores,
                local[side],
                ends[1 - side],
                self._left_out("items" if side == 0 else "users", n_rows),
                self.shared.temperature,
                block_size=self.block_size,
            )
            for side in (0, 1)
        ]
        return (totals[0][0] + totals[1][0]) / 2, totals[0][1]

    def embedding_l2(self) -> losses.Terms:
        """Half the squared norm of the graph embeddings of this device's users and items."""
        assert self.rows.squares is not None
        squares = self._local(self.rows.squares)
        return 0.5 * squares.sum(), jnp.float32(squares.shape[0])
