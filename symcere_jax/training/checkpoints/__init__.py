"""Checkpoints: what a run leaves to resume from, to score with, and to start others from."""

from symcere_jax.training.checkpoints.metadata import Metadata, Progress
from symcere_jax.training.checkpoints.store import KEEP, Checkpoints

__all__ = ["KEEP", "Checkpoints", "Metadata", "Progress"]
