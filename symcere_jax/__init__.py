"""SymCERE in JAX: recommendations from a user–item graph and review texts (arXiv 2504.02195)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symcere_jax.api import Model, cross_validate, fit, from_hub, load, prepare, push_to_hub
    from symcere_jax.data import ReviewDataset
    from symcere_jax.recommend import NewUser, Recommender

__version__ = "0.2.0"
_HOMES = {
    "Model": "api",
    "NewUser": "recommend",
    "Recommender": "recommend",
    "ReviewDataset": "data",
    "cross_validate": "api",
    "fit": "api",
    "from_hub": "api",
    "load": "api",
    "prepare": "api",
    "push_to_hub": "api",
}
__all__ = [
    "Model",
    "NewUser",
    "Recommender",
    "ReviewDataset",
    "__version__",
    "cross_validate",
    "fit",
    "from_hub",
    "load",
    "prepare",
    "push_to_hub",
]


def __getattr__(name: str) -> Any:
    """Imports what is in `__all__` on first use: the package itself stays cheap to import."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
