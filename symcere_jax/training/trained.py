"""A trained model: the best checkpoint of a run, and the embeddings that score."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.models import Embeddings, ItemNeighbors, ModelInputs, NodeEmbeddings, SymCERE
from symcere_jax.training.checkpoints import Checkpoints, Metadata
from symcere_jax.training.neighbors import training_items


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """The best checkpoint of a run, and what the model reads besides its parameters.

    Attributes:
        model: the model.
        params: its parameters.
        inputs: graph and text features of the prepared folder.
        metadata: of the checkpoint.
        items: positive training items of each user.
        embeddings: that score.
    """

    model: SymCERE
    params: Any
    inputs: ModelInputs
    metadata: Metadata
    items: Interactions
    embeddings: Embeddings

    @functools.cached_property
    def neighbors(self) -> ItemNeighbors | None:
        """The items as neighbors of each other; None where they do not count."""
        if not self.metadata.neighbor_weight:
            return None
        temperature = self.model.temperature_of(self.params)
        return ItemNeighbors.fit(
            np.asarray(self.embeddings.items), self.metadata.neighbor_weight / temperature
        )

    def nodes(self, *, by_tower: bool = False) -> NodeEmbeddings:
        """Embeddings of all nodes before normalization."""
        forward = jax.jit(functools.partial(self.model.apply, by_tower=by_tower))
        return forward({"params": self.params}, self.inputs)


def load_model(workdir: str | Path, dataset: ReviewDataset) -> TrainedModel:
    """The best parameters of a workdir, with the model and its inputs.

    Args:
        workdir: of a training run.
        dataset: the prepared folder that it was trained on.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
    """
    built: dict[str, Any] = {}

    def like(metadata: Metadata) -> Any:
        metadata.check_dataset(dataset)
        model = SymCERE(dataset.n_users, dataset.n_items, metadata.settings)
        inputs = ModelInputs.from_dataset(dataset, metadata.settings)
        built.update(model=model, inputs=inputs, items=training_items(dataset, metadata.settings))
        return jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]

    metadata, params, arrays = Checkpoints(workdir).restore_best(like)
    embeddings = Embeddings(**arrays)
    return TrainedModel(params=params, metadata=metadata, embeddings=embeddings, **built)


def load_embeddings(workdir: str | Path, dataset: ReviewDataset) -> tuple[Embeddings, Metadata]:
    """Embeddings of the best checkpoint of a workdir, ready to score with.

    Args:
        workdir: of a training run.
        dataset: the prepared folder that it was trained on.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
    """
    metadata, arrays = Checkpoints(workdir).restore_embeddings(
        lambda metadata: metadata.check_dataset(dataset)
    )
    return Embeddings(**arrays), metadata


@functools.lru_cache(maxsize=8)
def embed(model: SymCERE) -> Callable[[Any, ModelInputs], Embeddings]:
    """The compiled function from parameters and inputs of a model to its embeddings."""
    return jax.jit(lambda params, inputs: model.apply({"params": params}, inputs, method="embed"))
