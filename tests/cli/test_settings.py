import pytest
from absl import flags
from absl.testing import flagsaver

from symcere_jax.cli import field_flags
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
