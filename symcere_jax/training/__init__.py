"""Training: state, steps, loop, checkpoints."""

from symcere_jax.training.checkpoint import Checkpoints, Metadata, Progress
from symcere_jax.training.embeddings import load_embeddings
from symcere_jax.training.loop import Observer, TrainResult, train

__all__ = [
    "Checkpoints",
    "Metadata",
    "Observer",
    "Progress",
    "TrainResult",
    "load_embeddings",
    "train",
]
