"""Text encoders: review texts to features."""

from symcere_jax.text.combination import CombinedEncoder
from symcere_jax.text.conditioning import ConditionedEncoder, Conditioning
from symcere_jax.text.encoder import FittedTextEncoder, Reviews, TextEncoder, TextFeatures
from symcere_jax.text.lsa import LsaEncoder
from symcere_jax.text.precomputed import PrecomputedEncoder
from symcere_jax.text.storage import keep_vectors, load_text_encoder, save_text_encoder
from symcere_jax.text.term_weights import TERM_WEIGHTS
from symcere_jax.text.transformer import TransformerEncoder

__all__ = [
    "TERM_WEIGHTS",
    "CombinedEncoder",
    "ConditionedEncoder",
    "Conditioning",
    "FittedTextEncoder",
    "LsaEncoder",
    "PrecomputedEncoder",
    "Reviews",
    "TextEncoder",
    "TextFeatures",
    "TransformerEncoder",
    "keep_vectors",
    "load_text_encoder",
    "save_text_encoder",
]
