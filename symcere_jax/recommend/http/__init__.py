"""The HTTP service; needs the extra `serve`."""

from symcere_jax.recommend.http.model import ServedModel
from symcere_jax.recommend.http.service import create_app

__all__ = ["ServedModel", "create_app"]
