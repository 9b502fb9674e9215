import pytest
from absl import flags
from absl.testing import flagsaver

from symcere_jax.cli import field_flags
from symcere_jax.errors import ConfigError
from symcere_jax.settings import Settings


@pytest.fixture
def holders():
    defined = set(flags.FLAGS)
    yield field_flags.define(Settings)
    for name in set(flags.FLAGS) - defined:
        delattr(flags.FLAGS, name)


def _parse(*arguments: str) -> None:
    flags.FLAGS(["program", *arguments])


def test_there_is_a_flag_for_each_setting(holders):
    with flagsaver.flagsaver():
        _parse()
        assert list(holders) == list(Settings().as_dict())
        assert field_flags.read(Settings, holders) == Settings()
        assert all(flags.FLAGS[name].help for name in holders)


def test_flags_become_settings_of_the_same_name_and_type(holders):
    with flagsaver.flagsaver():
        _parse(
            "--nonormalize", "--n_layers=0", "--temperature=1", "--text_encoder=none", "--seed=7"
        )
        settings = field_flags.read(Settings, holders)
    expected = {
        "normalize": False,
        "n_layers": 0,
        "temperature": 1.0,
        "text_encoder": "none",
        "seed": 7,
    }
    assert settings == Settings(**expected)
    assert isinstance(settings.temperature, float)


def test_choices_are_those_of_the_settings(holders):
    for flag in ("--candidates=all", "--n_layers=1.5", "--normalize=perhaps"):
        with flagsaver.flagsaver(), pytest.raises(flags.IllegalFlagValueError):
            _parse(flag)


def test_limits_are_those_of_the_settings(holders):
    with flagsaver.flagsaver():
        _parse("--patience=0")
        with pytest.raises(ConfigError, match="--patience is 0, must be at least 1"):
            field_flags.read(Settings, holders)
