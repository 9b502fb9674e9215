"""The experts of a run put together: weights, and the embeddings of all side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate
from symcere_jax.models import (
    POPULARITY,
    Embeddings,
    ItemNeighbors,
    Share,
    column_shares,
    mix,
    neighbor_embeddings,
    popularity_embeddings,
    score_factors,
    score_spread,
)
from symcere_jax.models.review_times import time_neighbors
from symcere_jax.models.word_neighbors import word_neighbors
from symcere_jax.settings import NEIGHBORS, TIMES, ResolvedSettings
from symcere_jax.text.item_words import item_words
from symcere_jax.training import multiprocess
from symcere_jax.training.checkpoints import EXPERTS_FOLDER, Checkpoints, Expert, Metadata, Progress
from symcere_jax.training.expert_weights import choose_weights
from symcere_jax.training.trained import as_arrays, id_files, training_items


def put_together(
    settings: ResolvedSettings,
    dataset: ReviewDataset,
    workdir: Path,
    trained: Sequence[str],
    should_stop: ShouldStop,
) -> dict[str, float] | None:
    """Chooses the weights of the experts and writes the embeddings of all, unless that is done.

    Returns:
        The weights by expert; None if it was told to stop.
    """
    runs = {name: Checkpoints(workdir / EXPERTS_FOLDER / name).metadata() for name in trained}
    if _stored_weights(workdir, settings, runs) is None:
        multiprocess.run_on_primary(lambda: _write(settings, dataset, workdir, runs, should_stop))
    return _stored_weights(workdir, settings, runs)


def _stored_weights(
    workdir: Path, settings: ResolvedSettings, runs: Mapping[str, Metadata]
) -> dict[str, float] | None:
    """The weights by expert, if the workdir has those of these runs."""
    checkpoints = Checkpoints(workdir)
    if not checkpoints.numbers():
        return None
    metadata = checkpoints.metadata()
    stored = {
        name: (expert.best_step, expert.best_score, expert.settings)
        for name, expert in metadata.experts.items()
        if expert.settings is not None
    }
    best = {
        name: (run.progress.best_step, run.progress.best_score, run.settings)
        for name, run in runs.items()
    }
    if stored != best or metadata.settings != settings:
        return None
    return {name: expert.weight for name, expert in metadata.experts.items()}


def _write(
    settings: ResolvedSettings,
    dataset: ReviewDataset,
    workdir: Path,
    runs: Mapping[str, Metadata],
    should_stop: ShouldStop,
) -> None:
    experts, params, neighbors = _load_experts(settings, dataset, workdir, runs)
    scales = {name: _inverse(score_spread(expert)) for name, expert in experts.items()}
    weights = dict.fromkeys(experts, 1 / (len(experts) - 1)) | {POPULARITY: 0.0}
    if settings.expert_weights == "validation" and len(dataset.valid):
        scaled = {
            name: mix({name: each}, {name: Share(scales[name])}) for name, each in experts.items()
        }
        chosen = choose_weights(scaled, dataset, should_stop)
        if chosen is None:
            return
        weights = chosen
    shares = column_shares(experts, {name: weights[name] * scales[name] for name in experts})
    embeddings = mix(experts, shares).with_half_users()
    score = None
    if len(dataset.valid):
        metrics = evaluate(score_factors, embeddings.factors(), dataset, "valid", ks=(10,)).metrics
        score = metrics[PRIMARY_METRIC]
    longest = max(runs.values(), key=lambda run: run.progress.step)
    progress = Progress(
        step=longest.progress.step,
        best_score=score,
        best_step=max(run.progress.best_step for run in runs.values()),
        epochs_without_gain=settings.patience,
    )
    metadata = dataclasses.replace(
        longest,
        settings=settings,
        progress=progress,
        experts={
            name: Expert(
                weight=weights[name],
                users=shares[name].users,
                items=shares[name].items,
                best_step=runs[name].progress.best_step if name in runs else 0,
                best_score=runs[name].progress.best_score if name in runs else None,
                settings=runs[name].settings if name in runs else None,
            )
            for name in experts
        },
    )
    parts: dict[str, Any] = {"embeddings": as_arrays(embeddings), "best": params}
    if neighbors:
        parts["neighbors"] = {name: as_arrays(each) for name, each in neighbors.items()}
    Checkpoints(workdir).save(parts, metadata, ids=id_files(dataset), keep=1)


def _load_experts(
    settings: ResolvedSettings, dataset: ReviewDataset, workdir: Path, runs: Mapping[str, Metadata]
) -> tuple[dict[str, Embeddings], dict[str, Any], dict[str, ItemNeighbors]]:
    """Embeddings of all experts, parameters of the trained ones, and the neighbors."""
    items = training_items(dataset, settings)
    n_interactions = np.bincount(items.indices, minlength=dataset.n_items)
    # Popularity first: where nothing is known, it wins.
    experts = {POPULARITY: popularity_embeddings(n_interactions, dataset.n_users)}
    params = {}
    for name in runs:
        checkpoints = Checkpoints(workdir / EXPERTS_FOLDER / name)
        _, arrays = checkpoints.read(lambda metadata: {"embeddings": None, "best": None})
        experts[name] = Embeddings(**arrays["embeddings"])
        params[name] = arrays["best"]
    neighbors = {}
    if NEIGHBORS in settings.expert_names:
        text = dataset.text_features(settings.text_encoder, "items")
        by_words = word_neighbors(item_words(dataset), text)
        if by_words.features.size:
            neighbors[NEIGHBORS] = by_words
            users = by_words.user_columns(items)
            experts[NEIGHBORS] = neighbor_embeddings(by_words, users)
    if TIMES in settings.expert_names and (times := time_neighbors(dataset, items)):
        neighbors[TIMES], users = times
        experts[TIMES] = neighbor_embeddings(neighbors[TIMES], users)
    return experts, params, neighbors


def _inverse(x: float) -> float:
    return 1 / x if x > 0 else 0.0
