import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.config import Config, LossConfig, ModelConfig, TrainConfig
from symcere_jax.errors import ConfigError

FIELDS = {
    field.name: (section, field)
    for section in (ModelConfig, LossConfig, TrainConfig)
    for field in dataclasses.fields(section)
}
# A step beyond a bound, by the type of the setting.
UP = {int: lambda bound: bound + 1, float: lambda bound: math.nextafter(bound, math.inf)}
DOWN = {int: lambda bound: bound - 1, float: lambda bound: math.nextafter(bound, -math.inf)}


def _bounds():
    """Each bound of each number: its name, a value allowed, a value refused, words of the error."""
    for name, (_, field) in FIELDS.items():
        kind, limits = type(field.default), field.metadata
        if kind not in UP:
            continue
        minimum, above = limits["minimum"], limits["above"]
        maximum, below = limits["maximum"], limits["below"]
        if math.isfinite(minimum):
            yield name, kind(minimum), DOWN[kind](minimum), f"at least {minimum}"
        if math.isfinite(above):
            yield name, UP[kind](above), kind(above), f"above {above}"
        if math.isfinite(maximum):
            yield name, kind(maximum), UP[kind](maximum), f"at most {maximum}"
        if math.isfinite(below):
            yield name, DOWN[kind](below), kind(below), f"below {below}"


def _allowed(field):
    """Strategy: values of a setting."""
    limits, kind = field.metadata, type(field.default)
    if limits["choices"]:
        return st.sampled_from(limits["choices"])
    if kind is bool:
        return st.booleans()
    if kind is str:
        return st.text()
    if field.name == "user_ranking_weight":
        return st.just(-1.0) | st.floats(0, 1e9)
    lowest = max(limits["minimum"], limits["above"])
    highest = min(limits["maximum"], limits["below"], 1e9)
    if kind is int:
        return st.integers(lowest, int(highest))
    return st.floats(
        lowest,
        highest,
        exclude_min=lowest == limits["above"],
        exclude_max=highest == limits["below"],
    )


SETTINGS = st.fixed_dictionaries(
    {}, optional={name: _allowed(field) for name, (_, field) in FIELDS.items()}
)


@pytest.mark.parametrize(("name", "allowed", "refused", "words"), list(_bounds()))
def test_bounds(name, allowed, refused, words):
    assert Config.of(**{name: allowed}).flat()[name] == allowed
    with pytest.raises(ConfigError, match=f"^--{name} is .*, must be {words}$"):
        Config.of(**{name: refused})


@pytest.mark.parametrize(
    "senseless",
    [
        {"embedding_dim": -1},
        {"n_layers": -1},
        {"temperature": -0.1},
        {"user_ranking_weight": -1.5},
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
        Config.of(**senseless)


@pytest.mark.parametrize("name", [n for n, (_, f) in FIELDS.items() if f.metadata["choices"]])
def test_choices(name):
    _, field = FIELDS[name]
    assert field.default in field.metadata["choices"]
    for choice in field.metadata["choices"]:
        assert Config.of(**{name: choice}).flat()[name] == choice
    allowed = ", ".join(field.metadata["choices"])
    with pytest.raises(ConfigError, match=f"^--{name} is 'other', must be one of: {allowed}$"):
        Config.of(**{name: "other"})


@pytest.mark.parametrize("name", FIELDS)
def test_wrong_types(name):
    _, field = FIELDS[name]
    kind = type(field.default)
    wrong = {
        bool: [0, 1.0, "true", None],
        int: [True, 1.0, "1", None, np.int32(1)],
        float: [True, "0.1", None],
        str: [1, None, b"none"],
    }[kind]
    for value in wrong:
        with pytest.raises(ConfigError, match=f"^--{name} is .*, must be of type {kind.__name__}$"):
            Config.of(**{name: value})


@pytest.mark.parametrize("name", [n for n, (_, f) in FIELDS.items() if type(f.default) is float])
def test_floats_must_be_finite(name):
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigError, match=f"^--{name} is {value}, must be finite$"):
            Config.of(**{name: value})


def test_an_integer_is_a_float():
    config = Config.of(temperature=1)
    assert config == Config.of(temperature=1.0)
    assert config.difference(Config.of(temperature=1.0).flat()) == ""


def test_every_setting_is_explained_under_a_name_of_its_own():
    sections = (ModelConfig, LossConfig, TrainConfig)
    assert len(FIELDS) == sum(len(dataclasses.fields(section)) for section in sections)
    for _, field in FIELDS.values():
        assert field.metadata["help"].strip()


@given(SETTINGS)
def test_settings_come_back_flat(settings):
    config = Config.of(**settings)
    assert config.flat() == Config().flat() | settings
    assert Config.of(**config.flat()) == config
    for name, value in settings.items():
        section, _ = FIELDS[name]
        parts = {ModelConfig: config.model, LossConfig: config.loss, TrainConfig: config.train}
        assert getattr(parts[section], name) == value


@given(SETTINGS, SETTINGS)
def test_replace_changes_only_what_is_named(settings, changes):
    config = Config.of(**settings)
    replaced = config.replace(**changes)
    assert replaced.flat() == config.flat() | changes
    assert config == Config.of(**settings)
    assert config.replace() == config


@given(SETTINGS, SETTINGS)
def test_difference_is_empty_exactly_where_settings_are_equal(settings, others):
    config, other = Config.of(**settings), Config.of(**others)
    assert (config.difference(other.flat()) == "") == (config == other)


def test_difference_names_both_values():
    config = Config.of(temperature=0.3, n_layers=2)
    assert config.difference(config.flat()) == ""
    assert config.difference(Config().flat()) == "--n_layers=2 (was 3), --temperature=0.3 (was 0.0)"
    stored = Config().flat() | {"heads": 4}  # of a version that had one setting more
    del stored["dropout"]  # and one less
    assert Config().difference(stored) == "--heads=None (was 4)"
    changed = Config.of(dropout=0.2).difference(stored)
    assert changed == "--dropout=0.2 (was 0.4), --heads=None (was 4)"
    del stored["heads"], stored["item_neighbors"]  # before there were any, none counted
    assert Config().difference(stored) == "--item_neighbors=True (was False)"
    assert Config.of(item_neighbors=False).difference(stored) == ""


def test_unknown_settings_are_named():
    with pytest.raises(ConfigError, match=r"^unknown setting: dropuot, layers$"):
        Config.of(layers=3, dropuot=0.1, n_layers=2)
    with pytest.raises(ConfigError, match=r"^unknown setting: layers$"):
        Config().replace(layers=3)


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().train.epochs = 3
