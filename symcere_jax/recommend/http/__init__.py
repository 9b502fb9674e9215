"""The HTTP service; needs the extra `serve`."""

from symcere_jax.recommend.http.app import create_app
from symcere_jax.recommend.http.model import ServedModel

__all__ = ["ServedModel", "create_app"]
