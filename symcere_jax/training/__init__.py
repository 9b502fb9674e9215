"""Training: state, steps, loop, checkpoints."""

from symcere_jax.training.checkpoints import EXPERTS_FOLDER, Checkpoints, Metadata, Progress
from symcere_jax.training.experts import train
from symcere_jax.training.loop import LOCK, Observer, TrainResult
from symcere_jax.training.trained import (
    TrainedExpert,
    TrainedModel,
    load_embeddings,
    load_factors,
    load_model,
)

__all__ = [
    "EXPERTS_FOLDER",
    "LOCK",
    "Checkpoints",
    "Metadata",
    "Observer",
    "Progress",
    "TrainResult",
    "TrainedExpert",
    "TrainedModel",
    "load_embeddings",
    "load_factors",
    "load_model",
    "train",
]
