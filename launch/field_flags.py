"""Command line flags for the fields of a dataclass of settings, under their names."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from absl import flags

flags.disclaim_key_flags()  # --help lists them under the module that calls `define`


def define(config: type) -> dict[str, flags.FlagHolder]:
    """Defines a flag for each field that has a help text.

    Args:
        config: a dataclass whose fields have "help" and "choices" as metadata.

    Returns:
        name -> holder.
    """
    return {field.name: _define(field) for field in dataclasses.fields(config) if field.metadata}


def values(config: type, holders: dict[str, flags.FlagHolder]) -> dict[str, Any]:
    """The values of flags by name; of fields that are paths, as paths.

    Args:
        config: the dataclass.
        holders: of some of its fields, by name.
    """
    kinds = {field.name: field.type for field in dataclasses.fields(config)}
    found = {name: holder.value for name, holder in holders.items()}
    for name, value in found.items():
        if kinds[name] in (Path, Path | None):
            found[name] = Path(value) if value else None
    return found


def _define(field: dataclasses.Field) -> flags.FlagHolder:
    text, choices, default = field.metadata["help"], field.metadata["choices"], field.default
    if choices:
        return flags.DEFINE_enum(field.name, cast(Any, default), choices, text)
    # A setting without a value has no type of its own: all but one of these are strings.
    kind: Any = int if field.type == (int | None) else type(default)
    kinds: dict[Any, Callable[..., flags.FlagHolder]] = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
    }
    return kinds.get(kind, flags.DEFINE_string)(field.name, default, text)
