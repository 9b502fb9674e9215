"""Scores of a trained model and two baselines on users and items that it was not trained on.

A new item (or user) has no training interaction. Of its reviews in a held-out split a random half,
at least one, is *known*: for an item their texts are its description, for a user the items and the
texts are what the user says of themselves. The other half is predicted, and no model reads anything
of it. The known half was held out from training, text features and the text encoder alike.
Interactions of which neither side is new are *warm*.
"""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.baselines.base import Popularity, Scorer
from symcere_jax.baselines.text_knn import EncoderKnn
from symcere_jax.data import Interactions, ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.evaluation import (
    PRIMARY_METRIC,
    Evaluation,
    PairedTest,
    ScoreBlock,
    compare_paired,
    evaluate,
)
from symcere_jax.models import score_block
from symcere_jax.settings import NONE
from symcere_jax.text import load_text_encoder
from symcere_jax.training import TrainedModel, load_model

NEW_ITEMS = "new items, among new items"
NEW_ITEMS_ALL = "new items, among all items"
NEW_USERS = "new users"
WARM = "warm"
TOGETHER = "new items and warm together"

POPULARITY, TEXT_KNN, MODEL = "popularity", "text kNN", "SymCERE"
FROM_ITEMS, FROM_TEXTS = "SymCERE, from items alone", "SymCERE, from reviews alone"
FAVORED = "SymCERE, new items favored"

MIN_USERS = 20  # a task with fewer says nothing

_BONUSES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # added to the scores of new items
_KNN_SETTINGS = tuple(
    EncoderKnn(k, amplification)
    for k, amplification in itertools.product((20, 100, 500), (1.0, 2.0, 4.0))
)


class NoColdStartError(DataError):
    """A cold start cannot be measured with this model or this split."""


@dataclasses.dataclass(frozen=True)
class ColdStartResult:
    """The scores on one task."""

    task: str
    evaluations: Mapping[str, Evaluation]  # by method, of the same users
    tests: Mapping[str, PairedTest]  # by baseline, the model's NDCG@10 minus the baseline's


def evaluate_cold_start(
    workdir: str | Path, dataset: ReviewDataset, split: str
) -> list[ColdStartResult]:
    """Scores a model, popularity and text kNN on new items, new users and warm interactions.

    The model embeds what is new without training. Popularity counts the known reviews of new items;
    text kNN reads the same features as the model. The settings of text kNN, for each task, and the
    bonus of "new items favored" are chosen on the validation split.

    Raises:
        NoColdStartError: nothing in the split is new, or the model has no text encoder that can
            read further texts.
    """
    trained = load_model(workdir, dataset)
    test = _Methods.create(trained, dataset, split)
    if not (len(test.tasks.new_items) or len(test.tasks.new_users)):
        raise NoColdStartError(
            f"no user or item of {split} is new; prepare the data with --split=cold_item or "
            "--split=cold_user"
        )
    valid = test if split == "valid" else _Methods.create(trained, dataset, "valid")
    results = []
    for task, pairs in test.tasks.predicted.items():
        if len(np.unique(pairs[:, 0])) < MIN_USERS:
            continue
        scorers = _baselines(task, test, valid) | _models(task, test, valid)
        evaluations = {name: test.tasks.evaluate(task, each) for name, each in scorers.items()}
        values = {name: each.per_user[PRIMARY_METRIC] for name, each in evaluations.items()}
        tests = {
            name: compare_paired(values[MODEL][None], values[name])[0]
            for name in (POPULARITY, TEXT_KNN)
        }
        results.append(ColdStartResult(task, evaluations, tests))
    return results


def _baselines(task: str, test: "_Methods", valid: "_Methods") -> dict[str, Scorer]:
    settings = _KNN_SETTINGS[0]
    if task in valid.tasks.predicted:
        settings = max(_KNN_SETTINGS, key=lambda each: valid.ndcg(task, valid.knn(task, each)))
    return {POPULARITY: test.popularity(task), TEXT_KNN: test.knn(task, settings)}


def _models(task: str, test: "_Methods", valid: "_Methods") -> dict[str, Scorer]:
    if task == NEW_USERS:
        from_items, from_texts = test.model(with_texts=False), test.model(with_items=False)
        return {FROM_ITEMS: from_items, FROM_TEXTS: from_texts, MODEL: test.model()}
    if task == NEW_ITEMS or not len(test.tasks.new_items):
        return {MODEL: test.model()}
    bonus = 0.0
    if TOGETHER in test.tasks.predicted and TOGETHER in valid.tasks.predicted:
        bonus = max(_BONUSES, key=lambda each: valid.ndcg(TOGETHER, valid.model(bonus=each)))
    return {MODEL: test.model(), FAVORED: test.model(bonus=bonus)}


@dataclasses.dataclass(frozen=True)
class ColdStartTasks:
    """The tasks of a held-out split."""

    dataset: ReviewDataset
    split: str
    new_items: np.ndarray  # int [m], without training interactions, with known reviews
    item_texts: Sequence[Sequence[str]]  # the known reviews of each
    new_users: np.ndarray  # int [n], without training interactions, with known reviews
    user_items: Sequence[np.ndarray]  # the items of the known reviews of each
    user_texts: Sequence[Sequence[str]]  # their texts
    known: np.ndarray  # int32 [·, 2] pairs (user, item) of all known reviews
    predicted: Mapping[str, np.ndarray]  # task -> pairs to predict; only tasks that have any

    @classmethod
    def from_split(cls, dataset: ReviewDataset, split: str) -> "ColdStartTasks":
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

    def evaluate(self, task: str, scorer: Scorer, *, ks: Sequence[int] = (10, 20)) -> Evaluation:
        """Scores a model on a task, among the items that the task allows."""
        allowed = self.dataset.item_counts() > 0
        if task == NEW_ITEMS:
            allowed[:] = False
        if task != NEW_USERS:
            allowed[self.new_items] = True
        penalty = jnp.asarray(np.where(allowed, 0, -np.inf), jnp.float32)
        score = _penalized(scorer.score_block)
        return evaluate(score, (scorer.params, penalty), self.view(task), "test", ks=ks)


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


@dataclasses.dataclass(frozen=True)
class _Methods:
    """What the methods score a split with."""

    tasks: ColdStartTasks
    trained: TrainedModel
    features: np.ndarray  # of all items, [n_items, width], those of new ones from what is known
    user_features: np.ndarray  # of the new users, from what is known

    @classmethod
    def create(cls, trained: TrainedModel, dataset: ReviewDataset, split: str) -> "_Methods":
        name = trained.metadata.settings.text_encoder
        if name == NONE:
            raise NoColdStartError(
                "the model was trained without text, and cannot read new texts: train with text"
            )
        try:
            encoder = load_text_encoder(dataset, name)
        except DataError as error:
            raise NoColdStartError(f"new texts cannot be read: {error}") from None
        tasks = ColdStartTasks.from_split(dataset, split)
        features = np.array(dataset.text_features(name, "items"))
        features[tasks.new_items] = encoder.encode_documents(tasks.item_texts)
        return cls(tasks, trained, features, encoder.encode_documents(tasks.user_texts))

    @property
    def n_known(self) -> np.ndarray:
        """Number of known reviews of each new item."""
        return np.array([len(texts) for texts in self.tasks.item_texts], np.float32)

    def ndcg(self, task: str, scorer: Scorer) -> float:
        return self.tasks.evaluate(task, scorer, ks=(10,)).metrics[PRIMARY_METRIC]

    def popularity(self, task: str) -> Scorer:
        scorer = Popularity().fit(self.tasks.view(task), 0)
        counts = scorer.params.at[self.tasks.new_items].add(self.n_known)
        return dataclasses.replace(scorer, params=counts)

    def knn(self, task: str, settings: EncoderKnn) -> Scorer:
        return settings.fit_features(self.tasks.view(task), self.features)

    def model(
        self, *, with_items: bool = True, with_texts: bool = True, bonus: float = 0.0
    ) -> Scorer:
        """The model, which may be given the items and the texts of new users."""
        tasks, mixture = self.tasks, self.trained.mixture
        user_items = Interactions.empty(len(tasks.new_users))
        if with_items:
            user_items = Interactions.from_rows(tasks.user_items)
        new = mixture.user_rows(user_items, self.user_features if with_texts else None)
        new |= mixture.item_rows(self.features[tasks.new_items], self.n_known)
        new["item_bias"] += np.float32(bonus)
        embeddings = self.trained.embeddings
        rows = {"user": jnp.asarray(tasks.new_users), "item": jnp.asarray(tasks.new_items)}
        columns = {}
        for name, values in new.items():
            known = getattr(embeddings, name)
            columns[name] = known.at[rows[name[:4]]].set(values.astype(known.dtype))
        return Scorer(score_block, dataclasses.replace(embeddings, **columns))
