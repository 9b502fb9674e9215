"""How a trained model does on users and items that it was not trained on, beside two baselines."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from symcere_jax.baselines.popularity import PopularitySettings, fit_popularity
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.baselines.text_knn import TextKnnSettings, fit_encoder_knn
from symcere_jax.data import Interactions, ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.evaluation import (
    PRIMARY_METRIC,
    Evaluation,
    HeldOutSplit,
    PairedTest,
    compare_paired,
)
from symcere_jax.evaluation.cold_start import NEW_ITEMS, NEW_USERS, TOGETHER, ColdStart
from symcere_jax.models import Embeddings, score_block
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.settings import NONE
from symcere_jax.text import load_text_encoder
from symcere_jax.training import load_model

POPULARITY, TEXT_KNN, MODEL = "popularity", "text kNN", "SymCERE"
FROM_ITEMS, FROM_TEXTS = "SymCERE, from items alone", "SymCERE, from reviews alone"

LEAST_USERS = 20  # a task with fewer says nothing
FAVOURED = "SymCERE, new items favoured"

_BONUSES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # to the scores of new items
_KNN_SETTINGS = tuple(
    TextKnnSettings(k, amplification)
    for k, amplification in itertools.product((20, 100, 500), (1.0, 2.0, 4.0))
)


class NoColdStartError(DataError):
    """Of this model, or of this split, a cold start cannot be measured."""


@dataclasses.dataclass(frozen=True)
class ColdStartResult:
    """What was found on one task.

    Attributes:
        task: a name of `evaluation.cold_start`.
        evaluations: method -> its evaluation, of the same users.
        tests: baseline -> the model's NDCG@10 minus the baseline's, user by user.
    """

    task: str
    evaluations: Mapping[str, Evaluation]
    tests: Mapping[str, PairedTest]


def evaluate_cold_start(
    workdir: str | Path, dataset: ReviewDataset, split: HeldOutSplit, *, seed: int = 0
) -> list[ColdStartResult]:
    """Scores a model, popularity and text kNN on new items, new users and warm interactions.

    The model embeds what is new by `FoldIn`, without training. Popularity counts the known reviews
    of new items; text kNN reads the same features as the model, and its settings are chosen on the
    validation split, for each task. "SymCERE, new items favoured" adds a bonus to the scores of new
    items, chosen on the validation split where new items and warm interactions are ranked together.

    Args:
        workdir: of a training run.
        dataset: the prepared folder that it was trained on.
        split: "valid" or "test".
        seed: of the choice of what is known of the new.

    Raises:
        NoColdStartError: nothing in the split is new, or the model has no text encoder that can
            read further texts.
    """
    trained = load_model(workdir, dataset)
    encoder_name = trained.metadata.config.text_encoder
    if encoder_name == NONE:
        raise NoColdStartError(
            "the model was trained without text, and cannot read what is new: train with text"
        )
    if schema.text_model_file(encoder_name) not in dataset.manifest.files:
        raise NoColdStartError(
            f"the text features {encoder_name!r} were made elsewhere, and the texts of what is new "
            "cannot be read: train with text features that are made here"
        )
    encoder = load_text_encoder(dataset, encoder_name)
    splits: tuple[HeldOutSplit, ...] = ("valid",) if split == "valid" else ("valid", "test")
    problems = {name: ColdStart.of(dataset, name, seed=seed) for name in splits}
    features = {
        name: encoder.encode_documents(problem.item_texts) for name, problem in problems.items()
    }
    problem = problems[split]
    if not (len(problem.new_items) or len(problem.new_users)):
        raise NoColdStartError(
            f"no user or item of {split} is new; prepare the data with --split=cold_item or "
            "--split=cold_user"
        )
    fold_in = FoldIn.of(trained.model, trained.params, trained.inputs, trained.neighbors)
    embeddings = trained.embeddings()
    user_features = {
        name: encoder.encode_documents(other.user_texts) for name, other in problems.items()
    }

    def model(name: HeldOutSplit, given: tuple[bool, bool], bonus: float) -> Scorer:
        texts = (features[name], user_features[name])
        params = _with_new(embeddings, fold_in, problems[name], *texts, *given, bonus)
        return Scorer(score_block, params)

    bonus = 0.0
    if TOGETHER in problem.tasks() and TOGETHER in problems["valid"].tasks():
        scores = {}
        for tried in _BONUSES:
            scorer = model("valid", (True, True), tried)
            valid = problems["valid"].evaluate(TOGETHER, score_block, scorer.params, ks=(10,))
            scores[tried] = valid.metrics[PRIMARY_METRIC]
        bonus = max(scores, key=scores.__getitem__)
    results = []
    for task in problem.tasks():
        if len(np.unique(problem.view(task, {}).test[:, 0])) < LEAST_USERS:
            continue
        scorers = dict(_baselines(task, problems, features, encoder_name, split))
        for method, given in _given(task, len(problem.new_items)).items():
            scorers[method] = model(split, given, bonus if method == FAVOURED else 0.0)
        found = {
            method: problem.evaluate(task, scorer.score_block, scorer.params)
            for method, scorer in scorers.items()
        }
        references = (POPULARITY, TEXT_KNN)
        tests = {
            name: compare_paired(
                found[MODEL].per_user[PRIMARY_METRIC][None], found[name].per_user[PRIMARY_METRIC]
            )[0]
            for name in references
            if len(found[MODEL].users) > 1
        }
        results.append(ColdStartResult(task, found, tests))
    return results


def _given(task: str, n_new_items: int) -> dict[str, tuple[bool, bool]]:
    """Method -> whether it is given the items, and the texts, of new users."""
    if task == NEW_ITEMS or (task != NEW_USERS and not n_new_items):
        return {MODEL: (True, True)}
    if task != NEW_USERS:
        return {MODEL: (True, True), FAVOURED: (True, True)}
    return {FROM_ITEMS: (True, False), FROM_TEXTS: (False, True), MODEL: (True, True)}


def _with_new(
    embeddings: Embeddings,
    fold_in: FoldIn,
    problem: ColdStart,
    item_features: np.ndarray,
    user_features: np.ndarray,
    with_items: bool,
    with_texts: bool,
    bonus: float,
) -> Embeddings:
    """Embeddings in which those of new users and items are folded in."""
    user_items = Interactions.empty(len(problem.new_users))
    if with_items:
        user_items = Interactions.from_rows(problem.user_items)
    users, _ = fold_in.users(user_items, user_features if with_texts else None)
    items = fold_in.items(item_features)
    counts = np.array([len(texts) for texts in problem.item_texts])
    new_items, new_users = jnp.asarray(problem.new_items), jnp.asarray(problem.new_users)
    of_users = {"users": users}
    of_items = {"items": items, "item_bias": fold_in.item_bias(counts) + bonus}
    if fold_in.neighbors is not None:
        of_users["user_neighbors"] = fold_in.neighbors.user_columns(user_items)
        known = len(fold_in.neighbors.features)
        more: Any = fold_in.with_items(item_features, counts).neighbors
        of_items["item_neighbors"] = more.item_columns[known:]
    rows = {name: (new_users, new) for name, new in of_users.items()}
    rows |= {name: (new_items, new) for name, new in of_items.items()}
    return dataclasses.replace(
        embeddings,
        **{name: getattr(embeddings, name).at[at].set(new) for name, (at, new) in rows.items()},
    )


def _baselines(
    task: str,
    problems: Mapping[HeldOutSplit, ColdStart],
    features: Mapping[HeldOutSplit, np.ndarray],
    encoder: str,
    split: HeldOutSplit,
) -> Iterator[tuple[str, Scorer]]:
    problem = problems[split]
    popularity = fit_popularity(
        problem.view(task, {encoder: features[split]}), PopularitySettings(), 0
    )
    counts: Any = popularity.params
    known = np.array([len(texts) for texts in problem.item_texts], np.float32)
    counts = counts.at[jnp.asarray(problem.new_items)].add(known)
    yield POPULARITY, dataclasses.replace(popularity, params=counts)

    def knn(settings: TextKnnSettings, name: HeldOutSplit) -> Scorer:
        return fit_encoder_knn(problems[name].view(task, {encoder: features[name]}), settings, 0)

    best = _KNN_SETTINGS[0]
    if task in problems["valid"].tasks():
        scores = {}
        for settings in _KNN_SETTINGS:
            scorer = knn(settings, "valid")
            found = problems["valid"].evaluate(task, scorer.score_block, scorer.params, ks=(10,))
            scores[settings] = found.metrics[PRIMARY_METRIC]
        best = max(scores, key=scores.__getitem__)
    yield TEXT_KNN, knn(best, split)
