import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.errors import ConfigError
from symcere_jax.fields import field_types
from symcere_jax.settings import ResolvedSettings, Settings

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
TYPES = field_types(Settings)
# A step beyond a bound, by the type of the setting.
UP = {int: lambda bound: bound + 1, float: lambda bound: math.nextafter(bound, math.inf)}
DOWN = {int: lambda bound: bound - 1, float: lambda bound: math.nextafter(bound, -math.inf)}


def _bounds():
    """Each bound of each number: its name, a value allowed, a value refused, words of the error."""
    for name, field in FIELDS.items():
        kind, limits = TYPES[name].kind, field.metadata
        if "minimum" in limits:
            bound = limits["minimum"]
            yield name, kind(bound), DOWN[kind](bound), f"at least {bound}"
        if "above" in limits:
            bound = limits["above"]
            yield name, UP[kind](bound), kind(bound), f"above {bound}"
        if "maximum" in limits:
            bound = limits["maximum"]
            yield name, kind(bound), UP[kind](bound), f"at most {bound}"
        if "below" in limits:
            bound = limits["below"]
            yield name, DOWN[kind](bound), kind(bound), f"below {bound}"


def _allowed(name):
    """Strategy: values of a setting."""
    expected, limits = TYPES[name], FIELDS[name].metadata
    nothing = st.none() if expected.optional else st.nothing()
    if expected.choices:
        return nothing | st.sampled_from(expected.choices)
    if expected.kind is bool:
        return st.booleans()
    if expected.kind is str:
        return nothing | st.text()
    lowest = limits.get("minimum", limits.get("above"))
    highest = min(limits.get("maximum", 1e9), limits.get("below", 1e9))
    if expected.kind is int:
        return nothing | st.integers(lowest, int(highest))
    return nothing | st.floats(
        lowest, highest, exclude_min="above" in limits, exclude_max="below" in limits
    )


SETTINGS = st.fixed_dictionaries({}, optional={name: _allowed(name) for name in FIELDS})


@pytest.mark.parametrize(("name", "allowed", "refused", "words"), list(_bounds()))
def test_bounds(name, allowed, refused, words):
    assert Settings(**{name: allowed}).as_dict()[name] == allowed
    with pytest.raises(ConfigError, match=f"^--{name} is .*, must be {words}$"):
        Settings(**{name: refused})


@pytest.mark.parametrize(
    "senseless",
    [
        {"embedding_dim": -1},
        {"n_layers": -1},
        {"temperature": -0.1},
        {"user_ranking_weight": -0.5},
        {"learning_rate": 0.0},
        {"batch_size": -1},
        {"steps_per_call": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"cross_modal_weight": -1.0},
        {"seed": 2**32},  # JAX would take it for seed 0
        {"propagation": "dense"},
    ],
)
def test_values_that_make_no_sense_are_refused(senseless):
    (name,) = senseless
    with pytest.raises(ConfigError, match=f"^--{name} is "):
        Settings(**senseless)


@pytest.mark.parametrize("name", [n for n in FIELDS if TYPES[n].choices])
def test_choices(name):
    choices = TYPES[name].choices
    assert FIELDS[name].default in (*choices, None)
    for choice in choices:
        assert Settings(**{name: choice}).as_dict()[name] == choice
    allowed = ", ".join(choices)
    with pytest.raises(ConfigError, match=f"^--{name} is 'other', must be one of: {allowed}$"):
        Settings(**{name: "other"})


@pytest.mark.parametrize("name", FIELDS)
def test_wrong_types(name):
    kind = TYPES[name].kind
    wrong = {
        bool: [0, 1.0, "true", None],
        int: [True, 1.0, "1", None, np.int32(1)],
        float: [True, "0.1", None],
        str: [1, None, b"none"],
    }[kind]
    for value in wrong:
        if value is None and TYPES[name].optional:
            continue
        with pytest.raises(ConfigError, match=f"^--{name} is .*, must be of type {kind.__name__}$"):
            Settings(**{name: value})


@pytest.mark.parametrize("name", [n for n in FIELDS if TYPES[n].kind is float])
def test_floats_must_be_finite(name):
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigError, match=f"^--{name} is {value}, must be finite$"):
            Settings(**{name: value})


def test_an_integer_is_a_float():
    settings = Settings(temperature=1)
    assert settings == Settings(temperature=1.0)
    assert settings.difference(Settings(temperature=1.0).as_dict()) == ""


def test_every_setting_is_explained():
    for field in FIELDS.values():
        assert field.metadata["help"].strip()


@given(SETTINGS)
def test_settings_come_back_as_a_dict(settings):
    resolved = Settings(**settings)
    assert resolved.as_dict() == Settings().as_dict() | settings
    assert Settings.from_dict(resolved.as_dict()) == resolved


@given(SETTINGS, SETTINGS)
def test_replace_changes_only_what_is_named(settings, changes):
    resolved = Settings(**settings)
    replaced = resolved.replace(**changes)
    assert replaced.as_dict() == resolved.as_dict() | changes
    assert resolved == Settings(**settings)
    assert resolved.replace() == resolved


@given(SETTINGS, SETTINGS)
def test_difference_is_empty_exactly_where_settings_are_equal(settings, others):
    resolved, other = Settings(**settings), Settings(**others)
    assert (resolved.difference(other.as_dict()) == "") == (resolved == other)


def test_difference_names_both_values():
    settings = Settings(temperature=0.3, n_layers=2)
    difference = settings.difference(Settings().as_dict())
    assert difference == "--n_layers=2 (was 3), --temperature=0.3 (was None)"


def test_unknown_settings_are_named():
    with pytest.raises(
        ConfigError, match=r"^unknown setting: dropuot, layers; did you mean dropout\?$"
    ):
        Settings.from_dict({"layers": 3, "dropuot": 0.1, "n_layers": 2})
    with pytest.raises(ConfigError, match=r"^unknown setting: layers; did you mean n_layers\?$"):
        Settings().replace(layers=3)


def test_resolved_settings_lack_nothing():
    choices = {
        "experts": "graph",
        "embedding_dim": 8,
        "text_encoder": "none",
        "candidates": "catalog",
    }
    choices |= {"temperature": 0.1, "exclude_target": "edge", "user_ranking_weight": 0.0}
    choices |= {"batch_size": 4, "embedding_learning_rate": 0.1, "scalar_learning_rate": 0.1}
    resolved = ResolvedSettings(**choices, n_layers=2)
    assert resolved.as_dict() == Settings(**choices, n_layers=2).as_dict()
    for name in choices:
        with pytest.raises(ConfigError, match=f"^--{name} is None, must be"):
            resolved.replace(**{name: None})
    with pytest.raises(dataclasses.FrozenInstanceError):
        resolved.epochs = 3
