"""Text encoders: review texts to features."""

from symcere_jax.text.encoder import FittedTextEncoder, Reviews, TextEncoder, TextFeatures
from symcere_jax.text.lsa import LsaEncoder
from symcere_jax.text.storage import load_text_encoder, save_text_encoder

__all__ = [
    "FittedTextEncoder",
    "LsaEncoder",
    "Reviews",
    "TextEncoder",
    "TextFeatures",
    "load_text_encoder",
    "save_text_encoder",
]
