"""Checkpoints: what a run leaves to resume from, to score with, and to start others from."""

from symcere_jax.training.checkpoints.metadata import Expert, Metadata, Progress
from symcere_jax.training.checkpoints.store import EXPERTS_FOLDER, Checkpoints

__all__ = ["EXPERTS_FOLDER", "Checkpoints", "Expert", "Metadata", "Progress"]
