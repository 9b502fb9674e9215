"""From a trained model to embeddings that score."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.models import (
    Embeddings,
    ItemNeighbors,
    ModelInputs,
    NodeEmbeddings,
    SymCERE,
    build_model,
)
from symcere_jax.training.checkpoint import Checkpoints, Metadata
from symcere_jax.training.neighbors import read_weight, training_items


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """The best checkpoint of a run, and what the model reads besides its parameters.

    Attributes:
        model: the model.
        params: its parameters.
        inputs: graph and text features of the prepared folder.
        metadata: what the checkpoint says of itself.
        items: positive training items of each user.
        neighbor_weight: how much neighbours count; 0: not at all.
    """

    model: SymCERE
    params: Any
    inputs: ModelInputs
    metadata: Metadata
    items: Interactions
    neighbor_weight: float = 0.0

    def embeddings(self) -> Embeddings:
        """Embeddings that score."""
        embeddings = embed(self.model)(self.params, self.inputs)
        if self.neighbors is None:
            return embeddings
        return self.neighbors.added_to(embeddings, self.items)

    @functools.cached_property
    def neighbors(self) -> ItemNeighbors | None:
        """The items as neighbours of each other; None where they do not count."""
        if not self.neighbor_weight:
            return None
        items = np.asarray(embed(self.model)(self.params, self.inputs).items)
        temperature = self.model.temperature_of(self.params)
        return ItemNeighbors.fit(items, self.neighbor_weight / temperature)

    def nodes(self, *, by_tower: bool = False) -> NodeEmbeddings:
        """Embeddings of all nodes before normalisation, users first; see `NodeEmbeddings`."""
        forward = jax.jit(functools.partial(self.model.apply, by_tower=by_tower))
        return forward({"params": self.params}, self.inputs)


def load_model(workdir: str | Path, dataset: ReviewDataset) -> TrainedModel:
    """The best checkpoint of a workdir.

    Args:
        workdir: of a training run.
        dataset: the prepared folder that it was trained on.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
    """
    built: dict[str, Any] = {}

    def like(metadata: Metadata) -> Any:
        metadata.check_dataset(dataset)
        config = metadata.config
        model = build_model(config, dataset.n_users, dataset.n_items)
        inputs = ModelInputs.from_dataset(dataset, config)
        built.update(model=model, inputs=inputs, items=training_items(dataset, config))
        return jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]

    metadata, params = Checkpoints(workdir).restore_best(like)
    weight = read_weight(Path(workdir), metadata.progress.best_step)
    return TrainedModel(params=params, metadata=metadata, neighbor_weight=weight, **built)


def load_embeddings(workdir: str | Path, dataset: ReviewDataset) -> tuple[Embeddings, Metadata]:
    """Embeddings of the best checkpoint of a workdir, ready to score with.

    Args:
        workdir: of a training run.
        dataset: the prepared folder that it was trained on.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
    """
    trained = load_model(workdir, dataset)
    return trained.embeddings(), trained.metadata


@functools.lru_cache(maxsize=8)
def embed(model: SymCERE) -> Callable[[Any, ModelInputs], Embeddings]:
    """The compiled function from parameters and inputs of a model to its embeddings."""
    return jax.jit(lambda params, inputs: model.apply({"params": params}, inputs, method="embed"))
