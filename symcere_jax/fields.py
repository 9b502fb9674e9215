"""How settings are declared: dataclass fields that carry their help text and their limits.

    @dataclasses.dataclass(frozen=True)
    class Cut(SettingsBase):
        n: int = setting(3, "items kept", minimum=1)
        order: Literal["best", "first"] = setting("best", "which")
        seed: int | None = setting(None, "random if not given")

The annotation gives the type and the choices, and says whether None is allowed. Command line flags
are made from the same fields by `symcere_jax.cli.field_flags`.
"""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from symcere_jax.errors import ConfigError

_LIMITS: dict[str, tuple[str, typing.Callable[[float, float], bool]]] = {
    "minimum": ("at least", lambda value, bound: value >= bound),
    "above": ("above", lambda value, bound: value > bound),
    "maximum": ("at most", lambda value, bound: value <= bound),
    "below": ("below", lambda value, bound: value < bound),
}


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """Declares a field together with its help text and its limits.

    Args:
        default: the value if none is given; `dataclasses.MISSING`: one must be given.
        help: shown by `--help`.
        minimum: the smallest value allowed.
        maximum: the largest value allowed.
        above: values must be greater than this.
        below: values must be smaller than this.
    """
    limits = {"minimum": minimum, "maximum": maximum, "above": above, "below": below}
    return dataclasses.field(
        default=default,
        metadata={"help": help} | {k: v for k, v in limits.items() if v is not None},
    )


@dataclasses.dataclass(frozen=True)
class FieldType:
    """What the annotation of a field says."""

    kind: type  # bool, int, float, str or Path
    choices: tuple[str, ...]  # the values allowed; empty: all of that kind
    optional: bool


def field_types(cls: type) -> Mapping[str, FieldType]:
    """The type of every field of a class of settings, by name."""
    hints = typing.get_type_hints(cls)
    return {field.name: _field_type(hints[field.name]) for field in dataclasses.fields(cls)}


def _field_type(hint: Any) -> FieldType:
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    members = typing.get_args(hint) if is_union else (hint,)
    optional = type(None) in members
    [member] = [member for member in members if member is not type(None)]
    if typing.get_origin(member) is Literal:
        return FieldType(str, typing.get_args(member), optional)
    return FieldType(member, (), optional)


@dataclasses.dataclass(frozen=True)
class SettingsBase:
    """Settings whose values are checked when they are made.

    Raises:
        ConfigError: for the first field whose value is of the wrong type or out of its limits.
    """

    def __post_init__(self) -> None:
        types = field_types(type(self))
        for field in dataclasses.fields(self):
            _check(field, types[field.name], getattr(self, field.name))

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Settings by name; what is not named keeps its default. Paths may be strings.

        Raises:
            ConfigError: a name is unknown, or a value out of its limits.
        """
        types = field_types(cls)
        if unknown := sorted(settings.keys() - types.keys()):
            near = difflib.get_close_matches(unknown[0], types, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"unknown setting: {', '.join(unknown)}{hint}")
        paths = {
            name: Path(value)
            for name, value in settings.items()
            if types[name].kind is Path and isinstance(value, str)
        }
        return cls(**{**settings, **paths})

    def as_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return dataclasses.asdict(self)

    def replace(self, **settings: Any) -> Self:
        """A copy with some settings changed.

        Raises:
            ConfigError: a name is unknown, or a value out of its limits.
        """
        return self.from_dict(self.as_dict() | settings)

    def difference(self, earlier: Mapping[str, Any]) -> str:
        """Names the settings that differ from earlier ones; empty if none does."""
        mine = self.as_dict()
        return ", ".join(
            f"--{name}={mine.get(name)} (was {earlier.get(name)})"
            for name in sorted(mine.keys() | earlier.keys())
            if mine.get(name) != earlier.get(name)
        )


def _check(field: dataclasses.Field, expected: FieldType, value: Any) -> None:
    flag = f"--{field.name} is {value!r}"
    if value is None and expected.optional:
        return
    if type(value) is not expected.kind and not (
        isinstance(value, expected.kind)
        if expected.kind not in (bool, int, float, str)
        else expected.kind is float and type(value) is int
    ):
        raise ConfigError(f"{flag}, must be of type {expected.kind.__name__}")
    if expected.choices and value not in expected.choices:
        raise ConfigError(f"{flag}, must be one of: {', '.join(expected.choices)}")
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise ConfigError(f"{flag}, must be finite")
        for name, (words, holds) in _LIMITS.items():
            bound = field.metadata.get(name)
            if bound is not None and not holds(value, bound):
                raise ConfigError(f"{flag}, must be {words} {bound}")
