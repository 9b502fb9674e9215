"""Packages of the extras of symcere-jax, imported when they are needed."""

import importlib
from types import ModuleType

from symcere_jax.errors import ConfigError


def require(module: str, *, extra: str) -> ModuleType:
    """Imports a module that is not there without an extra.

    Args:
        module: such as "matplotlib.figure".
        extra: what brings its package, such as "report".

    Raises:
        ConfigError: the package is not installed.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise  # the package is there, but broken
        raise ConfigError(
            f"{package} is not installed: pip install 'symcere-jax[{extra}]'"
        ) from None
