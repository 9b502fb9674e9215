"""Sentence encoders, BERT to decoder language models, in Flax."""

from symcere_jax.text.language_models.checkpoint import fingerprint, model_folder, vector_width
from symcere_jax.text.language_models.inference import SentenceEncoder

__all__ = ["SentenceEncoder", "fingerprint", "model_folder", "vector_width"]
