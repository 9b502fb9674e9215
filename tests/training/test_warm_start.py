import dataclasses

import jax
import numpy as np
import pytest

from symcere_jax.errors import CheckpointError, ConfigError
from symcere_jax.settings import Settings
from symcere_jax.training import Checkpoints, train
from symcere_jax.training.warm_start import warm_params
from tests.quick import QUICK

SETTINGS = QUICK | {"text_encoder": "lsa"}


@pytest.fixture(scope="module")
def earlier(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier") / "run"
    train(Settings(**SETTINGS), dataset, folder)
    return folder


def params_of(n_nodes, value):
    """A tree of parameters as the model has it."""
    return {
        "graph_tower": {"embedding": np.full((n_nodes, 8), value, np.float32)},
        "popularity_weight": np.float32(value),
        "text_tower": {
            "log_item_weight": np.float32(value),
            "log_user_weight": np.float32(value),
            "projection": {"kernel": np.full((16, 8), value, np.float32)},
        },
    }


def grown(dataset, n_users, n_items):
    """The data set as if reviews by new users, of new items, had been appended."""
    entry = {"fingerprint": dataset.fingerprint}
    manifest = dataclasses.replace(
        dataset.manifest,
        n_users=dataset.n_users + n_users,
        n_items=dataset.n_items + n_items,
        source={"appended": [entry]},
        files={},
        fingerprint="of the larger folder",
    )
    return dataclasses.replace(dataset, manifest=manifest)


def test_rows_follow_their_users_and_items(earlier, dataset):
    larger = grown(dataset, 3, 2)
    fresh = params_of(larger.n_users + larger.n_items, 7.0)
    found = warm_params(earlier, Settings(**SETTINGS), larger, fresh)
    like = params_of(dataset.n_users + dataset.n_items, 0.0)
    old = Checkpoints(earlier).read(lambda _: {"best": like})[1]["best"]
    rows = np.asarray(found["graph_tower"]["embedding"])
    kept = np.asarray(old["graph_tower"]["embedding"])
    n_users = dataset.n_users
    np.testing.assert_array_equal(rows[:n_users], kept[:n_users])
    np.testing.assert_array_equal(rows[n_users : n_users + 3], 7.0)
    np.testing.assert_array_equal(rows[n_users + 3 : -2], kept[n_users:])
    np.testing.assert_array_equal(rows[-2:], 7.0)
    for name in ("text_tower", "popularity_weight"):
        jax.tree.map(np.testing.assert_array_equal, found[name], old[name])


def test_a_run_starts_where_the_earlier_one_was_best(earlier, dataset, tmp_path):
    result = train(Settings(**SETTINGS), dataset, tmp_path / "run", warm_start=earlier)
    first = train(Settings(**SETTINGS | {"epochs": 0}), dataset, tmp_path / "0", warm_start=earlier)
    assert first.best_score == Checkpoints(earlier).metadata().progress.best_score
    assert result.best_score >= first.best_score


def test_other_data_and_other_models_are_refused(earlier, dataset, dataset_without_text):
    settings = Settings(**SETTINGS)
    with pytest.raises(CheckpointError, match="is not that data with appended reviews: append"):
        warm_params(earlier, settings, dataset_without_text, {})
    with pytest.raises(ConfigError, match="has --n_layers=1, this run has 2: a warm start needs"):
        warm_params(earlier, settings.replace(n_layers=2), dataset, {})
