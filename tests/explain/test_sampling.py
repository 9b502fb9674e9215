import pytest

from symcere_jax.errors import DataError
from symcere_jax.explain import (
    Aligner,
    LimeSettings,
    classes_of_lists,
    explain_reviews,
    sample_reviews,
)
from symcere_jax.preparation.sources.synthetic_truth import FACTUAL_WORDS, SENTIMENT_WORDS

PLANTED = classes_of_lists(FACTUAL_WORDS, SENTIMENT_WORDS)


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
