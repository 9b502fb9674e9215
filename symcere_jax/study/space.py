"""The search space: which settings are searched, and between which limits.

As text, entries separated by spaces:

    n_layers=1..4                   an interval that includes both ends
    learning_rate=1e-4..1e-2:log    on a logarithmic scale
    batch_size=256,512,1024         a list of values
"""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from symcere_jax.errors import ConfigError
from symcere_jax.fields import field_types
from symcere_jax.settings import NONE, ResolvedSettings, Settings

Space = Mapping[str, BaseDistribution]

LOG = ":log"
SIGNIFICANT_DIGITS = 4


def default_space(settings: ResolvedSettings) -> str:
    """The settings that matter most for the parts of this model; batch sizes around its own."""
    has_text = settings.text_encoder != NONE
    batch_sizes = sorted({max(1, int(settings.batch_size * by)) for by in (1 / 4, 1 / 2, 1, 2, 4)})
    entries = [
        "temperature=0.05..0.5:log",
        "dropout=0..0.8",
        "n_layers=1..4",
        "user_ranking_weight=0,0.3,1,3",
        f"batch_size={','.join(map(str, batch_sizes))}",
    ]
    if has_text:
        entries.append("learning_rate=1e-4..1e-2:log")
        entries.append("item_text_weight=0.3..3:log")
        entries.append("user_text_weight=0,0.03,0.1,0.3,1")
    if settings.graph_embeddings:
        entries.append("embedding_learning_rate=1e-6..1e-2:log")
    if has_text and settings.graph_embeddings:
        entries.append("cross_modal_weight=0,0.03,0.1,0.3,1")
    if has_text or settings.popularity_prior:
        entries.append("scalar_learning_rate=1e-3..1e-1:log")
    return " ".join(entries)


def parse_space(text: str) -> Space:
    """Reads a search space from its text form.

    Raises:
        ConfigError: an entry is malformed, names no setting, or has a value out of its limits.
    """
    space: dict[str, BaseDistribution] = {}
    for entry in text.split():
        name, equals, values = entry.partition("=")
        if not equals or name not in Settings().as_dict():
            raise ConfigError(
                f"search space: {entry!r} is not SETTING=LOW..HIGH, SETTING=LOW..HIGH{LOG} or "
                "SETTING=VALUE,VALUE with the name of a setting"
            )
        if name in space:
            raise ConfigError(f"search space: {name} is given twice")
        space[name] = _parse_values(entry, name, values)
    if not space:
        raise ConfigError("search space: no setting is given")
    return space


def settings_of(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Sampled values as settings: numbers of few digits, which people can read and type."""
    settings = dict(params)
    for name, values in space.items():
        if isinstance(values, FloatDistribution):
            rounded = float(f"{params[name]:.{SIGNIFICANT_DIGITS}g}")
            settings[name] = min(max(rounded, values.low), values.high)
    return settings


def inside(space: Space, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a search space names, where it contains their value."""
    contained = {}
    for name, values in space.items():
        value = settings[name]
        if isinstance(values, CategoricalDistribution):
            contains = value in values.choices
        else:
            contains = values.low <= value <= values.high  # type: ignore[attr-defined]
        if contains:
            contained[name] = value
    return contained


def _parse_values(entry: str, name: str, text: str) -> BaseDistribution:
    interval = text.removesuffix(LOG)
    if ".." not in interval:
        choices = [_parse_value(entry, name, value) for value in text.split(",")]
        return CategoricalDistribution(tuple(dict.fromkeys(choices)))
    low, high = (_parse_value(entry, name, value) for value in interval.split("..", 1))
    log = interval != text
    if not isinstance(low, int | float) or isinstance(low, bool):
        raise ConfigError(f"search space: {entry!r}: only numbers have intervals; list the values")
    if not low < high:
        raise ConfigError(f"search space: {entry!r} must have the lower end first")
    if log and low <= 0:
        raise ConfigError(f"search space: {entry!r}: a logarithmic scale starts above 0")
    if isinstance(low, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _parse_value(entry: str, name: str, text: str) -> Any:
    kind = field_types(Settings)[name].kind
    try:
        value = {"true": True, "false": False}[text] if kind is bool else kind(text)
    except (ValueError, KeyError):
        expected = "true or false" if kind is bool else f"of type {kind.__name__}"
        raise ConfigError(f"search space: {entry!r}: {text!r} must be {expected}") from None
    try:
        Settings.from_dict({name: value})
    except ConfigError as error:
        raise ConfigError(f"search space: {entry!r}: {error}") from None
    return value
