"""The HTTP service; needs the extra `serve`."""

from symcere_jax.serving.http.app import create_app
from symcere_jax.serving.http.model import ServedModel

__all__ = ["ServedModel", "create_app"]
