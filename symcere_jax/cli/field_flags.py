"""Command line flags for the fields of a class of settings, under their names."""

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from symcere_jax.fields import FieldType, SettingsBase, field_types

flags.disclaim_key_flags()  # --help lists them under the module that calls `define`

Holders = dict[str, flags.FlagHolder]
S = TypeVar("S", bound=SettingsBase)


def define(settings: type[SettingsBase]) -> Holders:
    """Defines a flag for each field that has a help text."""
    types = field_types(settings)
    return {
        field.name: _define(field, types[field.name])
        for field in dataclasses.fields(settings)
        if field.metadata
    }


def read(settings: type[S], holders: Holders, **others: Any) -> S:
    """The settings that the command line asks for; `others` are values of further fields.

    Raises:
        ConfigError: a value is out of its limits.
    """
    types = field_types(settings)
    values = {name: holder.value for name, holder in holders.items()}
    for name, value in values.items():
        if types[name].kind is Path:
            values[name] = Path(value) if value else None
    return settings(**values, **others)


def _define(field: dataclasses.Field, type_: FieldType) -> flags.FlagHolder:
    text = field.metadata["help"]
    required = field.default is dataclasses.MISSING
    default: Any = None if required else field.default
    if isinstance(default, Path):
        default = str(default)
    if type_.choices:
        return flags.DEFINE_enum(field.name, default, type_.choices, text, required=required)
    kinds: dict[type, Any] = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
    }
    return kinds.get(type_.kind, flags.DEFINE_string)(field.name, default, text, required=required)
