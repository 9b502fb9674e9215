"""Command line flags for every setting of `symcere_jax.config`, under the names of its fields."""

import dataclasses
from typing import Any

from absl import flags

from symcere_jax.config import Config


def define() -> dict[str, flags.FlagHolder]:
    """Defines a flag for each setting; returns them by name, in the order of the fields."""
    return {
        field.name: _define(field)
        for section in dataclasses.fields(Config)
        for field in dataclasses.fields(_section_type(section))
    }


def config(holders: dict[str, flags.FlagHolder]) -> Config:
    """The settings that the command line asks for.

    Args:
        holders: as `define` returned them.

    Raises:
        ConfigError: a value is out of its limits.
    """
    return Config.of(**{name: holder.value for name, holder in holders.items()})


def _section_type(section: dataclasses.Field) -> Any:
    return section.default_factory


def _define(field: dataclasses.Field) -> flags.FlagHolder:
    text, choices, default = field.metadata["help"], field.metadata["choices"], _default(field)
    if choices:
        return flags.DEFINE_enum(field.name, default, choices, text)
    define: Any = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }[type(default)]
    return define(field.name, default, text)


def _default(field: dataclasses.Field) -> Any:
    return field.default
