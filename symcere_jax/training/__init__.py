"""Training: state, steps, loop, checkpoints."""

from symcere_jax.training.checkpoint import KEEP, Checkpoints, Metadata, Progress
from symcere_jax.training.embeddings import TrainedModel, load_embeddings, load_model
from symcere_jax.training.loop import LOCK, Observer, TrainResult, train

__all__ = [
    "KEEP",
    "LOCK",
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
