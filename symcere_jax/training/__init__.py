"""Training: state, steps, loop, checkpoints."""

from symcere_jax.training.checkpoints import KEEP, Checkpoints, Metadata, Progress
from symcere_jax.training.loop import (
    LOCK,
    SECONDS_BETWEEN_CHECKPOINTS,
    TrainResult,
    train,
)
from symcere_jax.training.observer import Observer
from symcere_jax.training.trained import TrainedModel, load_embeddings, load_model

__all__ = [
    "KEEP",
    "LOCK",
    "SECONDS_BETWEEN_CHECKPOINTS",
    "Checkpoints",
    "Metadata",
    "Observer",
    "Progress",
    "TrainResult",
    "TrainedModel",
    "load_embeddings",
    "load_model",
    "train",
]
