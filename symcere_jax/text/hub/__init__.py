"""Sentence encoders, BERT to decoder language models, in Flax."""

from symcere_jax.text.hub.checkpoint import fingerprint, model_folder, vector_width
from symcere_jax.text.hub.inference import SentenceEncoder

__all__ = ["SentenceEncoder", "fingerprint", "model_folder", "vector_width"]
