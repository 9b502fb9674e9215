"""How much each expert counts: weights that rank best in samples of the validation users.

A few hundred users are too few to tell which weights are best: the winner is mostly luck. So
weights are chosen many times, each time for a sample of the users with replacement, and averaged.
Experts that help in every sample then keep a high weight, and those that win by chance a low one.

Source: R. Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004 (greedy
selection with replacement, in bags).
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data import Interactions, ReviewDataset
from symcere_jax.evaluation.ranking import best_columns
from symcere_jax.models import Embeddings, score_block

N_SAMPLES = 20  # of users
N_STEPS = 8  # of a choice, each of which adds a unit to the weight of one expert
MAX_SCORES = 2**27  # held at once, of all experts: 512 MiB
_CUTOFF = 10
_BLOCK_USERS = 64
_SEEN = -1e9  # score of an item that must not be recommended


def choose_weights(
    experts: Mapping[str, Embeddings],
    dataset: ReviewDataset,
    should_stop: ShouldStop = lambda: False,
) -> dict[str, float] | None:
    """Weights of experts by NDCG@10 on the validation split, whose sum is 1.

    In each sample of the users, starting from nothing, a unit is added to the weight of the expert
    with which the sum ranks best, `N_STEPS` times; the best sum on the way is the sample's choice.
    The first of experts that are equal wins.

    Args:
        experts: embeddings of each, whose scores are of equal spread.
        dataset: the prepared folder, with a validation split.
        should_stop: asked before each step.

    Returns:
        The mean of the choices; None if it was told to stop.
    """
    validation = _Validation.of(experts, dataset)
    n_experts, n_users = len(experts), len(validation.users)
    measured: dict[tuple[int, ...], np.ndarray] = {}
    rng = np.random.default_rng(0)
    chosen = np.zeros(n_experts)
    for _ in range(N_SAMPLES):
        counts = np.bincount(rng.integers(0, n_users, n_users), minlength=n_users)
        units, best_score, best = (0,) * n_experts, -1.0, np.zeros(n_experts)
        for _ in range(N_STEPS):
            if should_stop():
                return None
            if units not in measured:
                measured[units] = validation.ndcg_of_additions(units)
            values = measured[units] @ counts / n_users
            added = int(values.argmax())
            units = tuple(unit + (place == added) for place, unit in enumerate(units))
            if values[added] > best_score:
                best_score, best = float(values[added]), np.array(units) / sum(units)
        chosen += best / N_SAMPLES
    return dict(zip(experts, chosen.tolist(), strict=True))


@dataclasses.dataclass(frozen=True)
class _Validation:
    """What is held out of users, and how the experts score them, in blocks of users."""

    users: np.ndarray  # int `[n]`, their rows; the last one pads the last block
    scores: jax.Array  # float32 `[n_blocks, n_experts, block, n_items]`, `_SEEN` for training items
    relevant: jax.Array  # bool `[n_blocks, block, n_items]`, what is held out
    ideal: np.ndarray  # float64 `[n]`, the DCG@10 of the best ranking

    @classmethod
    def of(cls, experts: Mapping[str, Embeddings], dataset: ReviewDataset) -> "_Validation":
        """Scores all items for the validation users, or for as many as fit into memory."""
        users = np.unique(dataset.valid[:, 0])
        limit = max(MAX_SCORES // (len(experts) * dataset.n_items), 1)
        if len(users) > limit:
            users = np.sort(np.random.default_rng(0).choice(users, limit, replace=False))
        n_blocks = -(-len(users) // _BLOCK_USERS)
        padded = np.pad(users, (0, n_blocks * _BLOCK_USERS - len(users)), mode="edge")
        seen, held_out = (
            Interactions.from_pairs(pairs, dataset.n_users)
            for pairs in (dataset.train, dataset.valid)
        )
        shape = (n_blocks, len(experts), _BLOCK_USERS, dataset.n_items)
        scores = np.empty(shape, np.float32)
        relevant = np.zeros((n_blocks, _BLOCK_USERS, dataset.n_items), bool)
        for block, rows in enumerate(padded.reshape(n_blocks, -1)):
            for place, embeddings in enumerate(experts.values()):
                scores[block, place] = _score_block(embeddings, rows)
                scores[block, place][seen.flat(rows)] = _SEEN
            relevant[block][held_out.flat(rows)] = True
        n_relevant = np.minimum(held_out.counts(users), _CUTOFF)
        ideal = np.cumsum(_discounts(_CUTOFF))[n_relevant - 1]
        return cls(users, jnp.asarray(scores), jnp.asarray(relevant), ideal)

    def ndcg_of_additions(self, units: tuple[int, ...]) -> np.ndarray:
        """NDCG@10 of each user where a unit is added to one expert, float64 `[n_experts, n]`."""
        weights = jnp.asarray(units, jnp.float32)
        hits = np.asarray(_hits_of_additions(self.scores, self.relevant, weights))
        hits = hits.swapaxes(0, 1).reshape(len(units), -1, hits.shape[-1])
        return hits[:, : len(self.users)] @ _discounts(hits.shape[-1]) / self.ideal


def _discounts(k: int) -> np.ndarray:
    return 1 / np.log2(np.arange(2, k + 2))


_score_block = jax.jit(score_block)


@jax.jit
def _hits_of_additions(scores: jax.Array, relevant: jax.Array, units: jax.Array) -> jax.Array:
    """Which of the 10 best items are held out, bool `[n_blocks, n_experts, block, 10]`."""
    k = min(_CUTOFF, scores.shape[-1])

    def hits(part: tuple[jax.Array, jax.Array]) -> jax.Array:
        scores, relevant = part
        total = jnp.tensordot(units, scores, 1)
        best = [best_columns(total + added, k)[1] for added in scores]
        return jnp.stack([jnp.take_along_axis(relevant, items, axis=1) for items in best])

    return jax.lax.map(hits, (scores, relevant))
