"""Text encoders: review texts to features."""

from symcere_jax.text.encoders.base import FittedTextEncoder, Reviews, TextEncoder, TextFeatures
from symcere_jax.text.encoders.combination import CombinedEncoder
from symcere_jax.text.encoders.lsa import LsaEncoder
from symcere_jax.text.encoders.precomputed import PrecomputedEncoder
from symcere_jax.text.encoders.storage import (
    load_text_encoder,
    read_text_encoder,
    save_text_encoder,
)
from symcere_jax.text.encoders.transformer import TransformerEncoder

__all__ = [
    "CombinedEncoder",
    "FittedTextEncoder",
    "LsaEncoder",
    "PrecomputedEncoder",
    "Reviews",
    "TextEncoder",
    "TextFeatures",
    "TransformerEncoder",
    "load_text_encoder",
    "read_text_encoder",
    "save_text_encoder",
]
