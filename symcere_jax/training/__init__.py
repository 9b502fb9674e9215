"""Training: state, steps, loop, checkpoints."""

from symcere_jax.training.checkpoint import KEEP, Checkpoints, Metadata, Progress
from symcere_jax.training.embeddings import TrainedModel, load_embeddings, load_model
from symcere_jax.training.loop import (
    LOCK,
    SECONDS_BETWEEN_CHECKPOINTS,
    Observer,
    TrainResult,
    train,
)

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
