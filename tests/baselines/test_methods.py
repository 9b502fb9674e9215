import dataclasses
import importlib.util

import numpy as np
import pytest

from symcere_jax.baselines import step_training
from symcere_jax.baselines.methods import METHODS
from symcere_jax.evaluation import evaluate

from . import small

# Quick to train; everything else has its defaults.
QUICK = {
    "learning_rate": 0.03,
    "n_layers": 1,
    "embedding_dim": 16,
    "batch_size": 512,
    "factors": 4,
    "hidden_dim": 32,
    "latent_dim": 8,
}


@pytest.mark.parametrize("name", METHODS)
def test_beats_chance(name, dataset, monkeypatch):
    if name == "ials" and importlib.util.find_spec("implicit") is None:
        pytest.skip("needs the package implicit")
    monkeypatch.setattr(step_training, "MAX_ROUNDS", 2)
    method = METHODS[name]
    fields = {field.name for field in dataclasses.fields(method)}
    scorer = method(**{k: v for k, v in QUICK.items() if k in fields}).fit(dataset, 0)
    scores = small.scores(scorer, range(dataset.n_users))
    assert scores.shape == (dataset.n_users, dataset.n_items)
    assert np.isfinite(scores).all()
    assert (np.ptp(scores, axis=0).max() > 0) == (name != "popularity")
    found = evaluate(scorer.score_block, scorer.params, dataset, "test", ks=(10,))
    noise = np.random.default_rng(0).standard_normal(scores.shape)
    chance = evaluate(_lookup, noise, dataset, "test", ks=(10,))
    assert found.metrics["ndcg@10"] > 1.2 * chance.metrics["ndcg@10"]


@pytest.mark.parametrize("name", METHODS)
def test_spaces_hold_values_of_the_settings(name):
    defaults = dataclasses.asdict(METHODS[name]())
    for field, values in METHODS[name].space.items():
        assert len(set(values)) == len(values) > 1
        assert {type(value) for value in values} == {type(defaults[field])}


def _lookup(scores, users):
    return scores[users]
