"""The inputs of the model, and the model, on a prepared folder."""

import jax.numpy as jnp
import numpy as np

from symcere_jax.graph import propagate
from symcere_jax.models import ModelInputs, SymCERE, resolve
from symcere_jax.settings import Settings

from . import small


def test_inputs_are_those_of_the_training_split(dataset):
    settings = resolve(Settings(), dataset)
    inputs = ModelInputs.from_dataset(dataset, settings)
    n_users, n_nodes = dataset.n_users, dataset.n_users + dataset.n_items
    # One hop from every node alone shows every edge.
    hop = np.asarray(propagate(inputs.adjacency, jnp.eye(n_nodes), 1)) * 2 - np.eye(n_nodes)
    edges = np.argwhere(np.abs(hop) > 1e-6)
    expected = set(map(tuple, (dataset.train + np.array([0, n_users])).tolist()))
    assert set(map(tuple, edges.tolist())) == expected | {(item, user) for user, item in expected}
    for column, degree in enumerate((inputs.user_degree, inputs.item_degree)):
        counts = [(dataset.train[:, column] == row).sum() for row in range(len(degree))]
        np.testing.assert_array_equal(degree, counts)
        np.testing.assert_array_equal((inputs.user_reviews, inputs.item_reviews)[column], counts)
    for rows, text in (("users", inputs.user_text), ("items", inputs.item_text)):
        raw = np.asarray(dataset.text_features("lsa", rows), float)
        np.testing.assert_allclose(text, small.dense_normalize(raw), atol=1e-6)


def test_inputs_without_text(dataset_without_text):
    settings = resolve(Settings(), dataset_without_text)
    inputs = ModelInputs.from_dataset(dataset_without_text, settings)
    assert inputs.user_text is None
    assert inputs.item_text is None


def test_untrained_graph_embeddings_leave_the_lead_to_text(dataset):
    rankings = []
    for graph_embeddings in (False, True):
        settings = resolve(Settings(graph_embeddings=graph_embeddings), dataset)
        model = SymCERE(dataset.n_users, dataset.n_items, settings)
        inputs = ModelInputs.from_dataset(dataset, settings)
        params = small.initial_params(model, inputs)
        embeddings = model.apply({"params": params}, inputs, method=SymCERE.embed)
        rankings.append(np.asarray(embeddings.users @ embeddings.items.T))
    correlation = np.corrcoef(rankings[0].ravel(), rankings[1].ravel())[0, 1]
    assert correlation > 0.97
