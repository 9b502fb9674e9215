"""A trained model: the best checkpoint of a run, and the embeddings that score."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.models import (
    Embeddings,
    Factors,
    ItemNeighbors,
    Mixture,
    ModelInputs,
    NodeEmbeddings,
    Share,
    SymCERE,
)
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.settings import ALIGNED, COUNTED, GRAPH, TEXT, ResolvedSettings
from symcere_jax.training.checkpoints import Checkpoints, Metadata


@dataclasses.dataclass(frozen=True)
class TrainedExpert:
    """The best parameters of an expert, and what it reads besides."""

    model: SymCERE
    params: Any
    inputs: ModelInputs  # graph and text features of the prepared folder

    def nodes(self, *, by_tower: bool = False) -> NodeEmbeddings:
        """Embeddings of all nodes before normalization."""
        forward = jax.jit(functools.partial(self.model.apply, by_tower=by_tower))
        return forward({"params": self.params}, self.inputs)


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """The best checkpoint of a run, with its experts."""

    # Those that are trained, by name, in the order of their columns.
    experts: Mapping[str, TrainedExpert]
    neighbors: Mapping[str, ItemNeighbors]  # the items as neighbors of each other, by expert
    metadata: Metadata
    items: Interactions  # positive training items of each user
    embeddings: Embeddings  # that score; those of users without a training review are 0

    @property
    def main(self) -> TrainedExpert:
        """The expert that has most parts: aligned, else text, else graph."""
        return next(self.experts[x] for x in (ALIGNED, TEXT, GRAPH) if x in self.experts)

    @functools.cached_property
    def mixture(self) -> Mixture:
        """The experts, ready to embed new users and items."""
        shares = {
            name: Share(expert.users, expert.items)
            for name, expert in self.metadata.experts.items()
        }
        return Mixture(
            experts={
                name: FoldIn.of(expert.model, expert.params, expert.inputs)
                for name, expert in self.experts.items()
            },
            shares=shares or dict.fromkeys(self.experts, Share()),
            neighbors=self.neighbors,
        )


def load_model(workdir: str | Path, dataset: ReviewDataset) -> TrainedModel:
    """The best parameters of a workdir, with the model and its inputs.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
    """
    inputs: dict[tuple, ModelInputs] = {}  # which experts share

    def inputs_of(settings: ResolvedSettings) -> ModelInputs:
        key = (settings.text_encoder, settings.min_rating, settings.propagation)
        if key not in inputs:
            inputs[key] = ModelInputs.from_dataset(dataset, settings)
        return inputs[key]

    def model_of(settings: ResolvedSettings) -> SymCERE:
        return SymCERE(dataset.n_users, dataset.n_items, settings)

    def shapes(settings: ResolvedSettings) -> Any:
        init = functools.partial(model_of(settings).init, jax.random.key(0))
        return jax.eval_shape(init, inputs_of(settings))["params"]

    def parts(metadata: Metadata) -> dict[str, Any]:
        metadata.check_dataset(dataset)
        if not metadata.experts:
            return {"embeddings": None, "best": shapes(metadata.settings)}
        best = {name: shapes(settings) for name, settings in _settings_of(metadata).items()}
        has_neighbors = not metadata.experts.keys().isdisjoint(COUNTED)
        return {"embeddings": None, "best": best} | ({"neighbors": None} if has_neighbors else {})

    metadata, arrays = Checkpoints(workdir).read(parts)
    best = arrays["best"] if metadata.experts else {metadata.settings.experts: arrays["best"]}
    return TrainedModel(
        experts={
            name: TrainedExpert(model_of(settings), best[name], inputs_of(settings))
            for name, settings in _settings_of(metadata).items()
        },
        neighbors={
            name: ItemNeighbors(**jax.tree.map(np.asarray, each))
            for name, each in arrays.get("neighbors", {}).items()
        },
        metadata=metadata,
        items=training_items(dataset, metadata.settings),
        embeddings=_of_known_users(Embeddings(**arrays["embeddings"]), dataset),
    )


def _of_known_users(embeddings: Embeddings, dataset: ReviewDataset) -> Embeddings:
    """Embeddings with 0 for users without a training review: nothing was learned about them."""
    n_reviews = np.bincount(dataset.train[:, 0], minlength=dataset.n_users)
    users = jnp.where(n_reviews[:, None] > 0, embeddings.users, 0)
    return dataclasses.replace(embeddings, users=users)


def _settings_of(metadata: Metadata) -> dict[str, ResolvedSettings]:
    """The settings of the experts of a checkpoint that are trained."""
    if not metadata.experts:
        return {metadata.settings.experts: metadata.settings}
    experts = metadata.experts.items()
    return {name: expert.settings for name, expert in experts if expert.settings is not None}


def load_embeddings(workdir: str | Path, dataset: ReviewDataset) -> tuple[Embeddings, Metadata]:
    """Embeddings of the best checkpoint of a workdir, ready to score with.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
    """

    def parts(metadata: Metadata) -> dict[str, None]:
        metadata.check_dataset(dataset)
        return {"embeddings": None}

    metadata, arrays = Checkpoints(workdir).read(parts)
    return Embeddings(**arrays["embeddings"]), metadata


def load_factors(workdir: str | Path, dataset: ReviewDataset) -> tuple[Factors, Metadata]:
    """What ranks for all users as a `Recommender` does, as inner products.

    Users about whom nothing was learned get popular items.

    Args:
        workdir: of a training run.
        dataset: the prepared folder that it was trained on.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
    """
    embeddings, metadata = load_embeddings(workdir, dataset)
    joined = _of_known_users(embeddings, dataset).joined()
    factors = joined.factors()
    unknown = ~np.any(np.asarray(joined.users), axis=1)
    if not unknown.any():
        return factors, metadata
    items = training_items(dataset, metadata.settings).indices
    popularity = np.log1p(np.bincount(items, minlength=dataset.n_items), dtype=np.float32)
    users = jnp.where(unknown[:, None], 0, factors.users)
    factors = Factors(
        users=jnp.column_stack([users, unknown.astype(users.dtype)]),
        items=jnp.column_stack([factors.items, popularity]),
    )
    return factors, metadata


@functools.lru_cache(maxsize=8)
def embed(model: SymCERE) -> Callable[[Any, ModelInputs], Embeddings]:
    """The compiled function from parameters and inputs of a model to its embeddings."""
    return jax.jit(lambda params, inputs: model.apply({"params": params}, inputs, method="embed"))


def training_items(dataset: ReviewDataset, settings: ResolvedSettings) -> Interactions:
    """The positive training items of each user."""
    positive = dataset.train[dataset.is_positive(settings.min_rating)]
    return Interactions.from_pairs(positive, dataset.n_users)


def as_arrays(parts: Embeddings | ItemNeighbors) -> dict[str, Any]:
    """Arrays by name, as a checkpoint keeps them."""
    return {name: value for name, value in vars(parts).items() if value is not None}


def id_files(dataset: ReviewDataset) -> list[Path]:
    """The files with the external ids of the rows, which a checkpoint keeps."""
    return [dataset.folder / name for name in (schema.USERS, schema.ITEMS)]
