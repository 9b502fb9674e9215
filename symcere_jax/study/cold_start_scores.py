"""How a trained model does on users and items that it was not trained on, beside two baselines."""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from symcere_jax.baselines import EncoderKnn, Popularity, Scorer
from symcere_jax.data import Interactions, ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.evaluation import (
    PRIMARY_METRIC,
    Evaluation,
    HeldOutSplit,
    PairedTest,
    compare_paired,
)
from symcere_jax.evaluation.cold_start_tasks import NEW_ITEMS, NEW_USERS, TOGETHER, ColdStartTasks
from symcere_jax.models import score_block
from symcere_jax.settings import NONE
from symcere_jax.text import load_text_encoder
from symcere_jax.training import TrainedModel, load_model

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
    workdir: str | Path, dataset: ReviewDataset, split: HeldOutSplit
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
        evaluations = {
            method: test.tasks.evaluate(task, scorer.score_block, scorer.params)
            for method, scorer in scorers.items()
        }
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
class _Methods:
    """What the methods score a split with."""

    tasks: ColdStartTasks
    trained: TrainedModel
    features: np.ndarray  # of all items, [n_items, width], those of new ones from what is known
    user_features: np.ndarray  # of the new users, from what is known

    @classmethod
    def create(
        cls, trained: TrainedModel, dataset: ReviewDataset, split: HeldOutSplit
    ) -> "_Methods":
        name = trained.metadata.settings.text_encoder
        if name == NONE:
            raise NoColdStartError(
                "the model was trained without text, and cannot read what is new: train with text"
            )
        try:
            encoder = load_text_encoder(dataset, name)
        except DataError as error:
            raise NoColdStartError(f"the texts of what is new cannot be read: {error}") from None
        tasks = ColdStartTasks.from_split(dataset, split)
        features = np.array(dataset.text_features(name, "items"))
        features[tasks.new_items] = encoder.encode_documents(tasks.item_texts)
        return cls(tasks, trained, features, encoder.encode_documents(tasks.user_texts))

    @property
    def n_known(self) -> np.ndarray:
        """Number of known reviews of each new item."""
        return np.array([len(texts) for texts in self.tasks.item_texts], np.float32)

    def ndcg(self, task: str, scorer: Scorer) -> float:
        evaluation = self.tasks.evaluate(task, scorer.score_block, scorer.params, ks=(10,))
        return evaluation.metrics[PRIMARY_METRIC]

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
        columns = {
            name: getattr(embeddings, name).at[rows[name[:4]]].set(values)
            for name, values in new.items()
        }
        return Scorer(score_block, dataclasses.replace(embeddings, **columns))
