import dataclasses

import numpy as np
import pytest

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.explain import Aligner, classes_of_lists, explain_reviews, sample_reviews
from symcere_jax.models import SymCERE
from symcere_jax.preparation.sources.synthetic_truth import FACTUAL_WORDS, SENTIMENT_WORDS
from symcere_jax.settings import LimeSettings, Settings

PLANTED = classes_of_lists(FACTUAL_WORDS, SENTIMENT_WORDS)
TEXTS = ["gasket bolt engine", "", "good great", "spatula oven"]


def unit(x):
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)


@pytest.fixture(scope="module")
def reviews(dataset):
    return dataset.reviews(["text", "split"])


def test_texts_are_embedded_as_the_text_tower_does(trained, dataset, reviews):
    aligner = Aligner.from_model("model", trained, dataset)
    texts = reviews["text"].slice(0, 40).to_pylist()
    kernel = np.asarray(trained.main.params["text_tower"]["projection"]["kernel"], np.float64)
    stored = dataset.text_features("lsa", "reviews")[:40]
    # A negative weight would turn the direction; here it is positive.
    assert "log_item_weight" in trained.main.params["text_tower"]
    expected = unit(unit(stored.astype(np.float64)) @ kernel)
    np.testing.assert_allclose(aligner.embed(texts), expected, atol=5e-4)


@pytest.mark.parametrize("target", ["graph", "text", "fused"])
def test_targets_are_nodes_of_the_model(trained, dataset, target):
    aligner = Aligner.from_model("model", trained, dataset, target)
    nodes = getattr(trained.main.nodes(by_tower=True), target)
    expected = unit(np.asarray(nodes))
    np.testing.assert_allclose(np.concatenate([aligner.users, aligner.items]), expected, atol=1e-6)


def test_a_score_is_a_cosine(trained, dataset):
    aligner = Aligner.from_model("model", trained, dataset)
    scores = aligner.scorer(aligner.items[3])(TEXTS)
    a = aligner.embed(TEXTS).astype(np.float64)
    np.testing.assert_allclose(scores, a @ aligner.items[3], atol=1e-6)
    assert scores[1] == 0  # nothing known in it
    assert (np.abs(scores) <= 1 + 1e-6).all()
    assert aligner.embed([]).shape == (0, 12)


def test_text_alone(dataset):
    aligner = Aligner.from_text_features("text alone", dataset, "lsa")
    np.testing.assert_allclose(
        aligner.items, unit(dataset.text_features("lsa", "items")), atol=1e-6
    )
    np.testing.assert_allclose(
        aligner.embed(TEXTS), unit(aligner.encoder.encode_texts(TEXTS)), atol=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_encoder": "none"}, "without text"),
        ({"text_encoder": "lsa", "graph_embeddings": False}, "no graph embeddings"),
    ],
)
def test_models_without_what_is_compared(trained, dataset, settings, message):
    resolved = Settings(embedding_dim=12, **settings)
    model = SymCERE(dataset.n_users, dataset.n_items, resolved)
    other = dataclasses.replace(trained.main, model=model)
    with pytest.raises(ConfigError, match=message):
        Aligner.from_model("model", dataclasses.replace(trained, experts={"text": other}), dataset)


def test_a_sample_has_facts_and_sentiment(dataset):
    rows = sample_reviews(dataset, "test", 10, classes=PLANTED)
    assert len(set(rows)) == 10
    table = dataset.reviews(["split", "text"]).to_pylist()
    for row in rows:
        assert table[row]["split"] == "test"
        words = set(table[row]["text"].split())
        assert words & set(FACTUAL_WORDS) and words & set(SENTIMENT_WORDS)
    assert sample_reviews(dataset, "test", 10, classes=PLANTED) == rows
    assert sample_reviews(dataset, "test", 10, classes=PLANTED, seed=1) != rows


def test_nothing_to_sample(dataset):
    with pytest.raises(DataError, match="fewer than two test reviews"):
        sample_reviews(dataset, "test", 10, classes={"gasket": "factual"})
    with pytest.raises(DataError, match="no other reviews"):
        sample_reviews(dataset, "other", 10)


def test_reviews_are_explained_in_order(dataset):
    aligner = Aligner.from_text_features("text", dataset, "lsa")
    rows, done = [8, 3], []
    explanations = explain_reviews(
        aligner,
        dataset,
        rows,
        lime=LimeSettings(30, 1),
        progress=lambda *counts: done.append(counts),
    )
    assert done == [(1, 2), (2, 2)]
    table = dataset.reviews().to_pylist()
    for row, explanation in zip(rows, explanations, strict=True):
        assert explanation.row == row
        assert explanation.words.text == table[row]["text"]
        assert explanation.item_id == dataset.item_ids()[table[row]["item"]]
        [cosine] = aligner.embed([table[row]["text"]]) @ aligner.items[table[row]["item"]]
        assert explanation.words.score == pytest.approx(cosine, abs=1e-5)
