import pytest

from symcere_jax.errors import DataError
from symcere_jax.explain import Aligner, classes_of_lists, known_classes, sample_reviews
from symcere_jax.prepare.sources.synthetic_truth import FACTUAL_WORDS, SENTIMENT_WORDS


def test_a_sample_holds_facts_and_sentiment(dataset):
    planted = classes_of_lists(FACTUAL_WORDS, SENTIMENT_WORDS)
    texts, items = sample_reviews(dataset, "test", 10, planted)
    assert len(texts) == len(items) == 10
    table = dataset.reviews(["item", "split", "text"]).to_pylist()
    rows = [(row["text"], row["item"]) for row in table if row["split"] == "test"]
    for text, item in zip(texts, items.tolist(), strict=True):
        assert (text, item) in rows
        assert set(FACTUAL_WORDS) & set(text.split()) and set(SENTIMENT_WORDS) & set(text.split())
    again, _ = sample_reviews(dataset, "test", 10, planted)
    assert again == texts
    with pytest.raises(DataError, match="fewer than two test reviews"):
        sample_reviews(dataset, "test", 10, {"gasket": "factual"})


def test_words_that_the_encoder_does_not_know_are_left_out(dataset):
    encoder = Aligner.of_text("text", dataset, "lsa").encoder
    known = [word for word in FACTUAL_WORDS if encoder.encode_texts([word]).any()][:1]
    words = {known[0]: "factual", "zzz": "factual", "of": "other"}
    classes, shares = known_classes(words, encoder)
    assert classes == {known[0]: "factual"}
    assert shares == {"factual": 0.5, "other": 0.0}
    emptied = {known[0]: "factual", "zzz": "sentiment"}
    assert known_classes(emptied, encoder) == (emptied, {"factual": 1.0, "sentiment": 0.0})
