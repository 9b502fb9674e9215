"""SymCERE in JAX: recommendations from a user–item graph and review texts (arXiv 2504.02195)."""

__version__ = "0.1.0"
