"""The prepared folder and its reader."""

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.histories import Histories
from symcere_jax.data.interactions import Interactions
from symcere_jax.data.schema import Manifest

__all__ = ["Histories", "Interactions", "Manifest", "ReviewDataset"]
