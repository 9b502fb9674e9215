"""Cold start as tasks: of new users and items, a part is known and the rest is to be predicted.

A new item (or user) has no training interaction. Of its reviews in a held-out split a random half,
at least one, is *known*: for an item their texts are its description, for a user the items and the
texts are what the user says of themselves. The other half is predicted, and no model reads anything
of it. The known half was held out from training, text features and the text encoder alike.
Interactions of which neither side is new are *warm*.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation.evaluate import Evaluation, HeldOutSplit, evaluate
from symcere_jax.evaluation.ranking import ScoreBlock

NEW_ITEMS = "new items, among new items"
NEW_ITEMS_ALL = "new items, among all items"
NEW_USERS = "new users"
WARM = "warm"
TOGETHER = "new items and warm together"


@dataclasses.dataclass(frozen=True)
class ColdStartTasks:
    """The tasks of a held-out split."""

    dataset: ReviewDataset
    split: HeldOutSplit
    new_items: np.ndarray  # int [m], without training interactions, of which reviews are known
    item_texts: Sequence[Sequence[str]]  # the known reviews of each
    new_users: np.ndarray  # int [n], without training interactions, of whom reviews are known
    user_items: Sequence[np.ndarray]  # the items of the known reviews of each
    user_texts: Sequence[Sequence[str]]  # their texts
    known: np.ndarray  # int32 [·, 2] pairs (user, item) of all known reviews
    predicted: Mapping[str, np.ndarray]  # task -> pairs to predict; only tasks that have any

    @classmethod
    def from_split(cls, dataset: ReviewDataset, split: HeldOutSplit) -> "ColdStartTasks":
        """Divides a held-out split, at random, into what is known and what is predicted."""
        pairs = np.asarray(dataset.interactions(split))
        user_is_new = dataset.user_counts()[pairs[:, 0]] == 0
        item_is_new = dataset.item_counts()[pairs[:, 1]] == 0
        rng = np.random.default_rng(0)
        describes_item = _choose_half(pairs[:, 1], item_is_new, rng)
        # A new user's items must be known ones, or nothing would pass messages.
        describes_user = _choose_half(pairs[:, 0], user_is_new & ~item_is_new, rng)
        known = describes_item | describes_user
        texts = np.empty(len(pairs), object)
        rows = dataset.review_rows(split)[known]
        texts[known] = dataset.reviews(["text"])["text"].take(rows).to_pylist()
        items, item_places = _group(pairs[:, 1], describes_item)
        users, user_places = _group(pairs[:, 0], describes_user)
        new_items = pairs[item_is_new & ~user_is_new & ~describes_item]
        warm = pairs[~user_is_new & ~item_is_new]
        predicted = {
            NEW_ITEMS: new_items,
            NEW_ITEMS_ALL: new_items,
            NEW_USERS: pairs[user_is_new & ~item_is_new & ~describes_user],
            WARM: warm,
        }
        if len(new_items) and len(warm):
            predicted[TOGETHER] = np.concatenate([new_items, warm])
        return cls(
            dataset=dataset,
            split=split,
            new_items=items,
            item_texts=[texts[places].tolist() for places in item_places],
            new_users=users,
            user_items=[pairs[places, 1] for places in user_places],
            user_texts=[texts[places].tolist() for places in user_places],
            known=pairs[known],
            predicted={task: rows for task, rows in predicted.items() if len(rows)},
        )

    def view(self, task: str) -> ReviewDataset:
        """The prepared folder as a model sees it when it is asked a task.

        What is known of new users counts as training; pairs to predict are the test split; what
        else is known, and need not be recommended again, is the validation split.
        """
        known_item = self.dataset.item_counts()[self.known[:, 1]] > 0
        new_histories = self.known[np.isin(self.known[:, 0], self.new_users) & known_item]
        earlier = [self.dataset.valid] if self.split == "test" else []
        return dataclasses.replace(
            self.dataset,
            train=np.concatenate([self.dataset.train, new_histories]),
            valid=np.concatenate([self.known, *earlier]),
            test=self.predicted[task],
        )

    def evaluate(
        self, task: str, score_block: ScoreBlock, params: Any, *, ks: Sequence[int] = (10, 20)
    ) -> Evaluation:
        """Scores a model on a task, among the items that the task allows."""
        allowed = self.dataset.item_counts() > 0
        if task == NEW_ITEMS:
            allowed[:] = False
        if task != NEW_USERS:
            allowed[self.new_items] = True
        penalty = jnp.asarray(np.where(allowed, 0, -np.inf), jnp.float32)
        return evaluate(_penalized(score_block), (params, penalty), self.view(task), "test", ks=ks)


@functools.lru_cache(maxsize=32)
def _penalized(score_block: ScoreBlock) -> ScoreBlock:
    """The same function object each time: its compiled form is kept."""

    def score(params: Any, users: jax.Array) -> jax.Array:
        inner, penalty = params
        return score_block(inner, users) + penalty

    return score


def _choose_half(owner: np.ndarray, eligible: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random half of the eligible pairs of each owner, rounded up; bool `[n]`."""
    places = np.flatnonzero(eligible)
    order = places[np.lexsort((rng.random(len(places)), owner[places]))]
    _, starts, lengths = np.unique(owner[order], return_index=True, return_counts=True)
    ranks = np.arange(len(order)) - np.repeat(starts, lengths)
    chosen = np.zeros(len(owner), bool)
    chosen[order[2 * ranks < np.repeat(lengths, lengths)]] = True
    return chosen


def _group(owner: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The owners of chosen pairs, ascending, and the places of each one's pairs."""
    places = np.flatnonzero(chosen)
    order = places[np.argsort(owner[places], kind="stable")]
    owners, starts = np.unique(owner[order], return_index=True)
    return owners, np.split(order, starts[1:]) if len(owners) else []
