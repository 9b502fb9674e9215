"""Text encoders: review texts to features."""

from symcere_jax.text.encoder import Reviews, TextEncoder, TextFeatures
from symcere_jax.text.lsa import LsaEncoder

__all__ = ["LsaEncoder", "Reviews", "TextEncoder", "TextFeatures"]
