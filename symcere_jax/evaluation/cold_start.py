"""Cold start as a task: of new users and items, a part is known and the rest is to be predicted.

A new item (or user) has no training interaction. Of its reviews in a held-out split a random half,
at least one, is *known*: for an item their texts are its description, for a user the items and the
texts are what the user says of themselves. The other half is predicted. Nothing of the predicted
half is read by any model; the known half of a split was held out from training, features and the
text encoder alike. Interactions of which neither side is new are *warm*.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.compute as pc

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.evaluation.evaluate import Evaluation, HeldOutSplit, evaluate
from symcere_jax.evaluation.ranking import ScoreBlock

NEW_ITEMS, NEW_ITEMS_ALL, NEW_USERS, WARM, TOGETHER = (
    "new items, among new items",
    "new items, among all items",
    "new users",
    "warm",
    "new items and warm together",
)
KNOWN_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class ColdStart:
    """A held-out split, taken apart.

    Attributes:
        dataset: the prepared folder.
        split: "valid" or "test".
        new_items: int `[m]` rows of items without training interactions, of which reviews are
            known.
        item_texts: the known reviews of each.
        new_users: int `[n]` rows of users without training interactions, of whom reviews are known.
        user_items: int arrays, the items of the known reviews of each.
        user_texts: their texts.
        known: int32 `[·, 2]` pairs (user, item) of all known reviews.
        predicted: "new items", "new users" and "warm" -> int32 `[·, 2]` pairs to be predicted.
    """

    dataset: ReviewDataset
    split: HeldOutSplit
    new_items: np.ndarray
    item_texts: Sequence[Sequence[str]]
    new_users: np.ndarray
    user_items: Sequence[np.ndarray]
    user_texts: Sequence[Sequence[str]]
    known: np.ndarray
    predicted: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, dataset: ReviewDataset, split: HeldOutSplit, *, seed: int = 0) -> "ColdStart":
        """Takes a held-out split apart.

        Args:
            dataset: the prepared folder.
            split: "valid" or "test".
            seed: of the choice of what is known.
        """
        pairs = np.asarray(dataset.interactions(split))
        counts = dataset.item_counts()
        user_is_new = dataset.user_counts()[pairs[:, 0]] == 0
        item_is_new = counts[pairs[:, 1]] == 0
        rng = np.random.default_rng(seed)
        # A new user's items must be known ones, or nothing would pass messages.
        of_items = _choose(pairs[:, 1], item_is_new, rng)
        of_users = _choose(pairs[:, 0], user_is_new & ~item_is_new, rng)
        texts = _texts(dataset, split, of_items | of_users)
        items, item_members = _groups(pairs[:, 1], of_items)
        users, user_members = _groups(pairs[:, 0], of_users)
        return cls(
            dataset=dataset,
            split=split,
            new_items=items,
            item_texts=[[texts[i] for i in members] for members in item_members],
            new_users=users,
            user_items=[pairs[members, 1] for members in user_members],
            user_texts=[[texts[i] for i in members] for members in user_members],
            known=pairs[of_items | of_users],
            predicted={
                "new items": pairs[item_is_new & ~user_is_new & ~of_items],
                NEW_USERS: pairs[user_is_new & ~item_is_new & ~of_users],
                WARM: pairs[~user_is_new & ~item_is_new],
            },
        )

    def tasks(self) -> list[str]:
        """Names of the tasks that have something to predict."""
        names = []
        if len(self.predicted["new items"]):
            names += [NEW_ITEMS, NEW_ITEMS_ALL]
        names += [name for name in (NEW_USERS, WARM) if len(self.predicted[name])]
        return names + [TOGETHER] * (NEW_ITEMS in names and WARM in names)

    def view(self, task: str, item_features: Mapping[str, np.ndarray]) -> ReviewDataset:
        """The prepared folder as a model sees it when it is asked a task.

        What is known of new users counts as training; pairs to be predicted are the test split;
        what is known besides, and need not be recommended again, is the validation split.

        Args:
            task: one of `tasks()`.
            item_features: text encoder -> features of the new items, `[m, width]`; the view has no
                other encoders.
        """
        is_new_user = np.isin(self.known[:, 0], self.new_users)
        of_new_users = self.known[is_new_user & (self.dataset.item_counts()[self.known[:, 1]] > 0)]
        train = np.concatenate([self.dataset.train, of_new_users])
        masked = [self.known]
        if self.split == "test":
            masked.append(np.asarray(self.dataset.valid))
        parts = {
            NEW_ITEMS: ["new items"],
            NEW_ITEMS_ALL: ["new items"],
            TOGETHER: ["new items", WARM],
        }
        test = np.concatenate([self.predicted[part] for part in parts.get(task, [task])])
        manifest = self.dataset.manifest
        encoders = {name: manifest.text_encoders[name] for name in item_features}
        return _View(
            self.dataset.folder,
            dataclasses.replace(manifest, text_encoders=encoders),
            train,
            _without(np.concatenate(masked), train),
            test,
            self.new_items,
            item_features,
        )

    def evaluate(
        self, task: str, score_block: ScoreBlock, params: Any, *, ks: Sequence[int] = (10, 20)
    ) -> Evaluation:
        """Scores a model on a task.

        Args:
            task: one of `tasks()`.
            score_block: gives scores of a block of users for all items.
            params: its first argument.
            ks: cut-offs of the metrics.
        """
        counts = self.dataset.item_counts()
        allowed = np.zeros(self.dataset.n_items, bool) if task == NEW_ITEMS else counts > 0
        if task != NEW_USERS:
            allowed[self.new_items] = True
        penalty = jnp.asarray(np.where(allowed, 0, -np.inf), jnp.float32)
        view = self.view(task, {})
        return evaluate(_penalized(score_block), (params, penalty), view, "test", ks=ks)


@dataclasses.dataclass(frozen=True)
class _View(ReviewDataset):
    """A prepared folder with other interactions, and with features of its new items."""

    new_items: np.ndarray
    item_features: Mapping[str, np.ndarray]

    def text_features(self, encoder: str, rows: str) -> np.ndarray:
        """Text features, those of new items among them."""
        features = super().text_features(encoder, rows)
        if rows == "items" and encoder in self.item_features:
            features = np.array(features)
            features[self.new_items] = self.item_features[encoder]
        return features


@functools.lru_cache(maxsize=32)
def _penalized(score_block: ScoreBlock) -> ScoreBlock:
    """The same function object each time, so that its compiled form is found again."""

    def score(params: Any, users: jax.Array) -> jax.Array:
        inner, penalty = params
        return score_block(inner, users) + penalty

    return score


def _choose(owner: np.ndarray, eligible: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random half of the eligible pairs of each owner, rounded up; bool `[n]`."""
    places = np.flatnonzero(eligible)
    order = places[np.lexsort((rng.random(len(places)), owner[places]))]
    _, starts, lengths = np.unique(owner[order], return_index=True, return_counts=True)
    ranks = np.arange(len(order)) - np.repeat(starts, lengths)
    chosen = np.zeros(len(owner), bool)
    chosen[order[ranks < np.repeat(np.ceil(lengths * KNOWN_SHARE), lengths)]] = True
    return chosen


def _groups(owner: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The owners of chosen pairs, ascending, and the places of each one's pairs."""
    places = np.flatnonzero(chosen)
    order = places[np.argsort(owner[places], kind="stable")]
    owners, starts = np.unique(owner[order], return_index=True)
    return owners, np.split(order, starts[1:]) if len(owners) else []


def _texts(dataset: ReviewDataset, split: str, chosen: np.ndarray) -> dict[int, str]:
    """Texts of chosen pairs of a split; reviews and pairs are in the same order."""
    reviews = dataset.reviews(["split", "text"])
    reviews = reviews.filter(pc.equal(reviews["split"], split))
    if len(reviews) != len(chosen):
        raise DataError(
            f"{dataset.folder}: {len(reviews)} reviews and {len(chosen)} pairs in {split}; "
            "prepare the data again"
        )
    places = np.flatnonzero(chosen)
    return dict(zip(places.tolist(), reviews["text"].take(places).to_pylist(), strict=True))


def _without(pairs: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distinct pairs that are not among others."""
    keys, other = (rows[:, 0].astype(np.int64) << 32 | rows[:, 1] for rows in (pairs, others))
    keys = np.setdiff1d(keys, other)
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)
