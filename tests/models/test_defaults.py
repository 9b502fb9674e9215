import dataclasses

import jax
import numpy as np
import pytest

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.models import ModelInputs, SymCERE, defaults, resolve
from symcere_jax.settings import Settings


def test_auto_is_the_first_encoder(dataset):
    settings = resolve(Settings(), dataset)
    assert (settings.text_encoder, settings.embedding_dim) == ("lsa", 16)
    encoders = {"bert": {"width": 384}, **dataset.manifest.text_encoders}
    manifest = dataclasses.replace(dataset.manifest, text_encoders=encoders)
    other = dataclasses.replace(dataset, manifest=manifest)
    settings = resolve(Settings(), other)
    assert (settings.text_encoder, settings.embedding_dim) == ("bert", 384)
    settings = resolve(Settings(text_encoder="lsa"), other)
    assert (settings.text_encoder, settings.embedding_dim) == ("lsa", 16)


def test_text_can_be_absent_or_left_out(dataset, dataset_without_text):
    for settings in (
        resolve(Settings(), dataset_without_text),
        resolve(Settings(text_encoder="none"), dataset),
    ):
        assert (settings.text_encoder, settings.embedding_dim) == ("none", 64)
        assert settings.scalar_learning_rate == 1e-2
    for encoder in (None, "lsa", "none"):
        settings = resolve(Settings(text_encoder=encoder, embedding_dim=5), dataset)
        assert settings.embedding_dim == 5


@pytest.mark.parametrize(
    ("n_train", "batch_size"),
    [
        (1, 128),
        (1024, 128),
        (1500, 256),
        (40_000, 4096),
        (65_536, 8192),
        (500_000, 8192),
        (2**20, 16_384),
        (2**25, 2**19),
    ],
)
def test_the_batch_grows_with_the_data(dataset, n_train, batch_size):
    data = dataclasses.replace(dataset, train=np.zeros((n_train, 2), np.int32))
    assert resolve(Settings(), data).batch_size == batch_size
    assert resolve(Settings(batch_size=3), data).batch_size == 3


def test_all_items_compete_where_they_are_few(dataset):
    assert resolve(Settings(), dataset).candidates == "catalog"
    manifest = dataclasses.replace(dataset.manifest, n_items=16_385)
    many = dataclasses.replace(dataset, manifest=manifest)
    assert resolve(Settings(), many).candidates == "sampled"
    for chosen in ("catalog", "sampled", "in_batch"):
        assert resolve(Settings(candidates=chosen), many).candidates == chosen


@pytest.mark.parametrize(("encoder", "rate", "weight"), [(None, 1e-5, 1.0), ("none", 1e-3, 0.0)])
def test_text_decides_how_embeddings_learn_and_whether_users_compete(
    dataset, encoder, rate, weight
):
    settings = resolve(Settings(text_encoder=encoder), dataset)
    assert settings.embedding_learning_rate == rate
    assert settings.user_ranking_weight == weight
    for chosen in (0.0, 0.3):
        given = {"embedding_learning_rate": 0.02, "user_ranking_weight": chosen}
        settings = resolve(Settings(text_encoder=encoder, **given), dataset)
        assert settings.as_dict() == settings.as_dict() | given


@pytest.mark.parametrize(("n_train", "rate"), [(1, 1e-3), (6000, 5e-3), (10**6, 1e-2)])
def test_scalars_learn_slowly_from_little_data(dataset, n_train, rate):
    data = dataclasses.replace(dataset, train=np.zeros((n_train, 2), np.int32))
    assert resolve(Settings(), data).scalar_learning_rate == pytest.approx(rate)
    assert resolve(Settings(scalar_learning_rate=0.3), data).scalar_learning_rate == 0.3


@pytest.mark.parametrize(
    ("n_train", "temperature"), [(1, 0.5), (1296, 0.5), (10_000, 0.3), (810_000, 0.1)]
)
def test_the_temperature_without_text_falls_with_the_data(dataset, n_train, temperature):
    data = dataclasses.replace(dataset, train=np.zeros((n_train, 2), np.int32))
    assert resolve(Settings(), data).temperature == 0.1
    without_text = resolve(Settings(text_encoder="none"), data)
    assert without_text.temperature == pytest.approx(temperature, rel=1e-3)
    assert resolve(Settings(temperature=0.7), data).temperature == 0.7


@pytest.mark.parametrize("chosen", ["none", "edge", "review"])
def test_what_is_taken_out_of_a_target_follows_from_the_texts(dataset, chosen, monkeypatch):
    def exclude_target(**settings):
        return resolve(Settings(**settings), dataset).exclude_target

    assert exclude_target(exclude_target=chosen) == chosen
    assert exclude_target(text_encoder="none") == "edge"
    # Half-precision features of 16 columns.
    n_bytes = len(dataset.train) * 16 * 2
    for limit, expected in ((n_bytes, "review"), (n_bytes - 1, "edge")):
        monkeypatch.setattr(defaults, "MAX_REVIEW_TEXT_BYTES", limit)
        assert exclude_target() == expected
        assert exclude_target(exclude_target=chosen) == chosen


def test_nothing_else_changes_and_nothing_changes_twice(dataset):
    rates = {"embedding_learning_rate": 0.01, "scalar_learning_rate": 0.02}
    settings = Settings(n_layers=2, temperature=0.3, user_ranking_weight=0.5, batch_size=7, **rates)
    resolved = resolve(settings, dataset)
    expected = {"text_encoder": "lsa", "embedding_dim": 16, "exclude_target": "review"}
    expected |= {"candidates": "catalog", "experts": "graph,aligned,neighbors,times"}
    assert resolved.as_dict() == settings.as_dict() | expected
    assert resolve(resolved, dataset) == resolved


def test_an_encoder_that_the_folder_lacks(dataset, dataset_without_text):
    settings = Settings(text_encoder="bert")
    message = r"no text features of encoder 'bert': choose --text_encoder from lsa, none, or"
    with pytest.raises(DataError, match=message):
        resolve(settings, dataset)
    with pytest.raises(DataError, match="choose --text_encoder from none, or"):
        resolve(settings, dataset_without_text)


def test_something_must_be_left_to_learn_from(dataset, dataset_without_text):
    for encoder, data in (("none", dataset), (None, dataset_without_text)):
        with pytest.raises(ConfigError, match="nothing to learn from"):
            resolve(Settings(graph_embeddings=False, text_encoder=encoder), data)
    settings = resolve(Settings(graph_embeddings=False), dataset)
    assert settings.text_encoder == "lsa"


def test_the_model_is_as_the_settings_say(dataset):
    settings = resolve(
        Settings(embedding_dim=6, temperature=0.25, dropout=0.125, user_text_weight=0.5), dataset
    )
    model = SymCERE(dataset.n_users, dataset.n_items, settings)
    assert (model.n_users, model.n_items) == (dataset.n_users, dataset.n_items)
    assert model.settings == settings
    inputs = ModelInputs.from_dataset(dataset, settings)
    params = jax.jit(model.init)(jax.random.key(0), inputs)["params"]
    assert jax.tree.map(lambda leaf: leaf.shape, params) == {
        "graph_tower": {"embedding": (dataset.n_users + dataset.n_items, 6)},
        "text_tower": {
            "log_user_weight": (),
            "log_item_weight": (),
            "projection": {"kernel": (16, 6)},
        },
        "popularity_weight": (),
    }
    assert params["text_tower"]["log_user_weight"] == np.float32(np.log(0.5))


@pytest.mark.parametrize(
    ("switches", "left"),
    [
        ({"graph_embeddings": False}, {"text_tower", "popularity_weight"}),
        ({"text_encoder": "none"}, {"graph_tower", "popularity_weight"}),
        ({"popularity_prior": False}, {"graph_tower", "text_tower"}),
    ],
)
def test_what_is_switched_on_or_off_has_parameters_or_none(dataset, switches, left):
    settings = resolve(Settings(**switches), dataset)
    model = SymCERE(dataset.n_users, dataset.n_items, settings)
    inputs = ModelInputs.from_dataset(dataset, settings)
    params = jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]
    assert set(params) == left
