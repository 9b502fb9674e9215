import jax
import numpy as np
import pytest
from scipy.special import log_softmax

from symcere_jax.baselines.base import training_histories
from symcere_jax.baselines.mult_vae import MultVae, score_block
from tests.baselines import small

ITEMS = small.matrix()[:5].astype(np.float32)


def _params():
    rng = np.random.default_rng(0)
    shapes = {"input": (small.N_ITEMS, 3), "latent": (3, 4), "hidden": (2, 3), "output": (3, 7)}
    params = {}
    for name, shape in shapes.items():
        params[name] = rng.standard_normal(shape).astype(np.float32)
        params[f"{name}_bias"] = rng.standard_normal(shape[1]).astype(np.float32)
    return params


def _latent(params, items):
    norms = np.linalg.norm(items, axis=1, keepdims=True)
    x = np.divide(items, norms, out=np.zeros_like(items), where=norms > 0)
    hidden = np.tanh(x @ params["input"] + params["input_bias"])
    return np.split(hidden @ params["latent"] + params["latent_bias"], 2, axis=1)


def _logits(params, latent):
    hidden = np.tanh(latent @ params["hidden"] + params["hidden_bias"])
    return hidden @ params["output"] + params["output_bias"]


def test_scores_come_from_the_mean():
    params = _params()
    users = np.arange(small.N_USERS, dtype=np.int32)
    scores = score_block((training_histories(small.dataset()), params), users)
    expected = _logits(params, _latent(params, small.matrix())[0])
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("kl_weight", [0.0, 0.7])
def test_the_loss_follows_the_formula(kl_weight):
    params, key = _params(), jax.random.key(3)
    loss = MultVae(dropout=0.0, kl_weight=kl_weight).loss(params, None, ITEMS, key)
    mean, log_variance = _latent(params, ITEMS)
    noise = np.asarray(jax.random.normal(jax.random.split(key)[1], mean.shape))
    logits = _logits(params, mean + noise * np.exp(log_variance / 2))
    likelihood = (ITEMS * log_softmax(logits, axis=1)).sum(axis=1)
    divergence = (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1) / 2
    np.testing.assert_allclose(loss, (kl_weight * divergence - likelihood).mean(), rtol=1e-5)


def test_hidden_items_are_still_to_be_predicted():
    """With all of the input hidden, the loss does not depend on which items these are."""
    params, model = _params(), MultVae(dropout=0.999, kl_weight=0.0)
    key = jax.random.key(0)
    first, second = (model.loss(params, None, items, key) for items in (ITEMS, 2 * ITEMS))
    np.testing.assert_allclose(second, 2 * first, rtol=1e-5)
