"""Command line flags for every setting of `symcere_jax.config`, under the names of its fields."""

import dataclasses
from typing import cast

from absl import flags

from launch import field_flags
from symcere_jax.config import Config


def define() -> dict[str, flags.FlagHolder]:
    """Defines a flag for each setting; returns them by name, in the order of the fields."""
    holders: dict[str, flags.FlagHolder] = {}
    for section in dataclasses.fields(Config):
        holders |= field_flags.define(cast(type, section.default_factory))
    return holders


def config(holders: dict[str, flags.FlagHolder]) -> Config:
    """The settings that the command line asks for.

    Args:
        holders: as `define` returned them.

    Raises:
        ConfigError: a value is out of its limits.
    """
    return Config.of(**{name: holder.value for name, holder in holders.items()})
