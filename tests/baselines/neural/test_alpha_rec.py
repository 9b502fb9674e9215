import math

import jax
import numpy as np

from symcere_jax.baselines.neural.alpha_rec import AlphaRecSettings, alpha_rec_loss, embed
from tests.baselines import small

SETTINGS = AlphaRecSettings(embedding_dim=4, n_layers=2, temperature=0.3)
TEXT = np.random.default_rng(0).standard_normal((small.N_USERS + small.N_ITEMS, 6))


def _params():
    rng = np.random.default_rng(1)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    return {
        "network": {
            "Dense_0": {"kernel": draw(6, 5), "bias": draw(5)},
            "Dense_1": {"kernel": draw(5, 4), "bias": draw(4)},
        }
    }


def _nodes(params):
    network = params["network"]
    hidden = TEXT @ network["Dense_0"]["kernel"] + network["Dense_0"]["bias"]
    hidden = np.where(hidden > 0, hidden, 0.01 * hidden)
    x = hidden @ network["Dense_1"]["kernel"] + network["Dense_1"]["bias"]
    adjacency = small.adjacency()
    nodes = (x + adjacency @ x + adjacency @ adjacency @ x) / 3
    return nodes / np.linalg.norm(nodes, axis=1, keepdims=True)


def test_embeddings_are_texts_passed_on():
    inputs = small.inputs(TEXT.astype(np.float32))
    embedded = embed(_params(), inputs, SETTINGS)
    np.testing.assert_allclose(embedded, _nodes(_params()), atol=1e-5)


def test_the_loss_is_a_softmax_over_the_items_of_the_batch():
    inputs, batch = small.inputs(TEXT.astype(np.float32)), small.batch()
    nodes, losses = _nodes(_params()), []
    for user, positive in zip(batch.users, batch.positives, strict=True):
        score = lambda item: math.exp(nodes[user] @ nodes[small.N_USERS + item] / 0.3)  # noqa: B023, E731
        others = sum(score(item) for item in batch.positives if item != positive)
        losses.append(-math.log(score(positive) / (score(positive) + others)))
    loss = alpha_rec_loss(_params(), inputs, batch, jax.random.key(0), SETTINGS)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)
