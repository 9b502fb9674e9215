"""SymCERE in JAX: recommendations from a user–item graph and review texts (arXiv 2504.02195)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symcere_jax.recommend import NewUser, Recommender

__version__ = "0.1.0"
__all__ = ["NewUser", "Recommender", "__version__"]


def __getattr__(name: str) -> Any:
    """Imports what is in `__all__` on first use: the package itself stays cheap to import."""
    if name in ("NewUser", "Recommender"):
        from symcere_jax import recommend

        return getattr(recommend, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
