"""Dataclasses as JSON, and back."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from symcere_jax.errors import DataError

Record = TypeVar("Record")


def to_json(record: Any) -> str:
    """A record as JSON text.

    It is a dataclass or mapping of numbers, texts, arrays, and lists and mappings of these. Numbers
    that are not finite become null, and arrays, which only plots need, are left out.
    """
    return json.dumps(_jsonable(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_record(path: Path, kind: type[Record], remedy: str) -> Record:
    """Reads what `to_json` wrote.

    Raises:
        DataError: the file is missing or malformed.
    """
    try:
        return _restored(kind, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no {kind.__name__} ({error!r}); {remedy}") from None


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {k: _jsonable(v) for k, v in value.items() if not isinstance(v, np.ndarray)}
    if isinstance(value, list | tuple):
        return [_jsonable(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _restored(kind: Any, value: Any) -> Any:
    """A value of a type from what JSON makes of it."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _restored(hint, value[name]) for name, hint in hints.items()})  # type: ignore[operator]
    if origin is types.UnionType:  # of a type and None
        return None if value is None else _restored(arguments[0], value)
    if origin in (list, tuple) and isinstance(value, list):
        return origin(_restored(arguments[0], entry) for entry in value)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {key: _restored(arguments[1], entry) for key, entry in value.items()}
    if kind is float:
        return math.nan if value is None else float(value)
    if kind is Any or isinstance(value, kind):
        return value
    raise TypeError(f"{value!r} is no {kind}")
