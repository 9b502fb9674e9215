"""One micro-batch of a step, and the losses that several terms share."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from symcere_jax import losses
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.devices import local_rows
from symcere_jax.training.objective.batch import Batch
from symcere_jax.training.objective.embeddings import PairEmbeddings
from symcere_jax.training.train_inputs import MAX_HISTORY, TrainInputs

# Candidates whose logits are held at once: fits the cache beside a batch; measured on CPU.
BLOCK_SIZE = 4096


@dataclasses.dataclass(frozen=True)
class MicroBatch:
    """Interactions whose losses are computed together; inside `map_devices`.

    Anchors are this device's rows; candidates of the batch are those of all devices.
    """

    settings: ResolvedSettings  # which losses, and how
    inputs: TrainInputs  # histories, and how often users and items occur
    n_devices: int  # devices along the axis
    batch: Batch  # the interactions, of all devices
    pairs: PairEmbeddings

    @property
    def n_rows(self) -> int:
        """Number of interactions, of all devices."""
        return self.batch.users.shape[0]

    def local(self, rows: jax.Array) -> jax.Array:
        """This device's share of some rows."""
        return local_rows(rows, self.n_devices)

    def positive_scores(self, bias: jax.Array | None = None) -> jax.Array:
        """Scores of this device's interactions, float32 `[b]`; bias is that of all devices'."""
        users, items = self.local(self.pairs.users), self.local(self.pairs.items)
        local_bias = None if bias is None else self.local(bias)
        return losses.pair_scores(users, items, self.settings.temperature, local_bias)

    def rank_items(
        self, items: jax.Array, bias: jax.Array, item_rows: losses.ItemRows | None = None
    ) -> losses.Terms:
        """SINCERE of each interaction's item against many items.

        Args:
            items: float32 `[c, d]`, embeddings of the items.
            bias: float32 `[c]`, their popularity prior.
            item_rows: where each item is among them; None: item i is row i.
        """
        histories = None
        if self.settings.false_negatives == "history":
            histories = self._histories(self.local(jnp.arange(self.n_rows)))
        return losses.catalog_sincere_terms(
            self.positive_scores(self.pairs.item_bias),
            self.local(self.pairs.users),
            self.local(self.batch.items),
            items,
            histories,
            self.settings.temperature,
            item_bias=bias,
            item_rows=item_rows,
            block_size=BLOCK_SIZE,
        )

    def exclude_items(self, n_rows: int) -> jax.Array:
        """Which items of the first `n_rows` interactions are no negatives of this device's users.

        Returns:
            bool `[b, n_rows]`.
        """
        items = self.batch.items[:n_rows]
        own = self.local(jnp.arange(n_rows))
        return self._exclude(items, lambda: losses.history_mask(items, self._histories(own)))

    def exclude_users(self, n_rows: int) -> jax.Array:
        """Which users of the first `n_rows` interactions are no negatives of this device's items.

        Returns:
            bool `[b, n_rows]`.
        """
        items = self.batch.items[:n_rows]
        return self._exclude(
            self.batch.users[:n_rows],
            lambda: losses.history_mask(self.local(items), self._histories(jnp.arange(n_rows))).T,
        )

    def _exclude(self, candidates: jax.Array, find_known: Callable[[], jax.Array]) -> jax.Array:
        """Excludes users or items of the batch by `false_negatives`.

        "none": the anchor's own interaction alone, so that repeats of its positive count as (false)
        negatives; "same_item": all occurrences of its positive; "history": also all that it
        interacted with in training.
        """
        rule, places = self.settings.false_negatives, jnp.arange(candidates.shape[0])
        if rule == "none":
            return places == self.local(places)[:, None]
        is_excluded = candidates == self.local(candidates)[:, None]
        return is_excluded | find_known() if rule == "history" else is_excluded

    def _histories(self, rows: jax.Array) -> losses.ItemLists:
        """Training items of the users of some rows, of long histories the drawn part."""
        history, users = self.inputs.history, self.batch.users[rows]
        length = history.counts(users)
        return losses.ItemLists(
            items=history.indices,
            start=history.indptr[users],
            length=length,
            n_read=jnp.minimum(length, MAX_HISTORY),
            first=self.batch.history_start[rows] % jnp.maximum(length, 1),
        )
