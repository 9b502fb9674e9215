"""The prepared folder and its reader."""

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.data.schema import Manifest

__all__ = ["Interactions", "Manifest", "ReviewDataset"]
