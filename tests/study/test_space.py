import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from symcere_jax.errors import ConfigError
from symcere_jax.models import resolve
from symcere_jax.settings import Settings
from symcere_jax.study.space import default_space, inside, parse_space, settings_of


def test_every_form_of_an_entry():
    space = parse_space(
        "n_layers=1..4 learning_rate=1e-4..1e-2:log dropout=0..0.5 batch_size=8..64:log\n"
        "temperature=0.1,0.2,0.1 normalize=true,false candidates=catalog,in_batch"
    )
    assert space == {
        "n_layers": IntDistribution(1, 4),
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
        "batch_size": IntDistribution(8, 64, log=True),
        "temperature": CategoricalDistribution((0.1, 0.2)),
        "normalize": CategoricalDistribution((True, False)),
        "candidates": CategoricalDistribution(("catalog", "in_batch")),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no setting is given"),
        ("n_layers", "'n_layers' is not SETTING=LOW..HIGH"),
        ("layers=1..4", "'layers=1..4' is not SETTING="),
        ("n_layers=1..4 n_layers=2,3", "n_layers is given twice"),
        ("n_layers=4..1", "must have the lower end first"),
        ("n_layers=2..2", "must have the lower end first"),
        ("n_layers=1..2.5", "'2.5' must be of type int"),
        ("n_layers=1..2..3", "'2..3' must be of type int"),
        ("n_layers=1,", "'' must be of type int"),
        ("dropout=0..0.5:log", "a logarithmic scale starts above 0"),
        ("dropout=0..1", "--dropout is 1.0, must be below 1"),
        ("temperature=-1,0.1", "--temperature is -1.0, must be "),
        ("normalize=yes,no", "'yes' must be true or false"),
        ("normalize=false..true", "only numbers have intervals"),
        ("candidates=catalog,all", "--candidates is 'all', must be one of: catalog"),
    ],
)
def test_a_malformed_space_is_refused(text, message):
    with pytest.raises(ConfigError) as error:
        parse_space(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_default_space_holds_the_defaults(dataset, dataset_without_text):
    for data in (dataset, dataset_without_text):
        settings = resolve(Settings(), data)
        space = parse_space(default_space(settings))
        values = settings.as_dict()
        assert inside(space, values) == {name: values[name] for name in space}


def test_the_default_space_leaves_out_what_has_no_effect(dataset, dataset_without_text):
    def names(data, **settings):
        return set(parse_space(default_space(resolve(Settings(**settings), data))))

    text = {"learning_rate", "item_text_weight", "user_text_weight"}
    everything = names(dataset)
    assert text | {"embedding_learning_rate", "cross_modal_weight"} < everything
    assert everything - names(dataset_without_text) == text | {"cross_modal_weight"}
    assert everything - names(dataset, graph_embeddings=False) == {
        "embedding_learning_rate",
        "cross_modal_weight",
    }
    without = names(dataset_without_text, popularity_prior=False)
    assert names(dataset_without_text) - without == {"scalar_learning_rate"}


def test_batch_sizes_are_searched_around_that_of_the_run(dataset):
    space = parse_space(default_space(resolve(Settings(batch_size=2), dataset)))
    assert space["batch_size"] == CategoricalDistribution((1, 2, 4, 8))


@given(value=st.floats(0.05, 0.5))
def test_numbers_are_rounded_within_their_interval(value):
    space = {"temperature": FloatDistribution(0.05, 0.5)}
    rounded = settings_of(space, {"temperature": value})["temperature"]
    assert 0.05 <= rounded <= 0.5
    assert math.isclose(rounded, value, rel_tol=5.1e-4)
    assert len(repr(rounded).replace(".", "").lstrip("0")) <= 4


def test_rounding_stays_within_odd_ends_and_leaves_other_values():
    space = {
        "temperature": FloatDistribution(0.123456, 0.2),
        "n_layers": IntDistribution(1, 20000),
        "dropout": CategoricalDistribution((0.123456, 0.3)),
    }
    params = {"temperature": 0.123457, "n_layers": 12345, "dropout": 0.123456}
    assert settings_of(space, params) == params | {"temperature": 0.1235}
    lowest = settings_of({"temperature": FloatDistribution(0.12344, 0.2)}, {"temperature": 0.12344})
    assert lowest == {"temperature": 0.12344}


def test_settings_outside_of_the_space_are_left_out():
    space = parse_space("n_layers=1..4 temperature=0.1,0.2 dropout=0.2..0.3")
    settings = Settings(n_layers=3, temperature=0.15, dropout=0.5)
    assert inside(space, settings.as_dict()) == {"n_layers": 3}
