import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.errors import DataError
from symcere_jax.text.finetuning import retrieval
from symcere_jax.text.finetuning.retrieval import Retrieval, mean_reciprocal_rank
from symcere_jax.text.finetuning.reviews import ReviewTexts
from symcere_jax.text.language_models import SentenceEncoder


@pytest.mark.parametrize("block", [3, 1000])
def test_mean_reciprocal_rank_equals_a_loop(monkeypatch, block):
    monkeypatch.setattr(retrieval, "_BLOCK", block)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(7, 3)).astype(np.float32)
    vectors[4] = 0  # an item without reviews
    asked = rng.normal(size=(20, 3)).astype(np.float32)
    item = rng.choice([0, 1, 2, 3, 5, 6], 20).astype(np.int32)
    total = 0.0
    for vector, own in zip(asked, item, strict=True):
        cosines = {n: vector @ vectors[n] / np.linalg.norm(vectors[n]) for n in {*range(7)} - {4}}
        total += 1 / (1 + sum(cosines[n] > cosines[own] for n in cosines if n != own))
    assert mean_reciprocal_rank(asked, item, vectors) == pytest.approx(total / 20)


def test_an_encoder_that_makes_all_texts_equal_gets_the_worst_score():
    ones = np.ones((5, 2), np.float32)
    assert mean_reciprocal_rank(ones, np.arange(5, dtype=np.int32), ones) == pytest.approx(1 / 5)


def _texts(items):
    texts = [f"{n}" for n in range(len(items))]
    return ReviewTexts(pa.chunked_array([texts], pa.large_string()), np.array(items, np.int32))


def test_reviews_that_are_asked_for_and_their_limits(monkeypatch):
    monkeypatch.setattr(retrieval, "_OF_ITEM", 2)
    monkeypatch.setattr(retrieval, "_ASKED", 3)
    train, valid = _texts([0, 2, 2, 0, 2, 2, 4]), _texts([1, 2, 0, 2, 3, 4, 0])
    found = Retrieval.of(train, valid, 6, "here")
    assert np.bincount(found.described.item, minlength=6).tolist() == [2, 0, 2, 0, 1, 0]
    for text, item in zip(found.described.texts.to_pylist(), found.described.item, strict=True):
        assert train.item[int(text)] == item
    assert len(found.asked) == 3 and set(found.asked.item) <= {0, 2, 4}
    for text, item in zip(found.asked.texts.to_pylist(), found.asked.item, strict=True):
        assert valid.item[int(text)] == item
    again = Retrieval.of(train, valid, 6, "here")
    assert again.asked.texts.to_pylist() == found.asked.texts.to_pylist()
    with pytest.raises(DataError, match="here has no valid review with text of an item that has"):
        Retrieval.of(train, _texts([1, 3]), 6, "here")


def test_the_score_of_an_encoder(bert, words):
    """Recomputed from the vectors of all reviews, one at a time."""
    encoder = SentenceEncoder(bert[0])
    train, valid = (ReviewTexts.read(words, split) for split in ("train", "valid"))
    found = Retrieval.of(train, valid, words.n_items, "here")
    vectors = found.item_vectors(encoder)
    rows = encoder.encode(train.texts.to_pylist())
    for item in range(words.n_items):
        mean = rows[train.item == item].mean(axis=0)
        np.testing.assert_allclose(vectors[item], mean / np.linalg.norm(mean), atol=1e-5)
    asked = encoder.encode(valid.texts.to_pylist())
    score = found.score(encoder, vectors)
    assert score == pytest.approx(mean_reciprocal_rank(asked, valid.item, vectors), abs=1e-6)
    assert 1 / words.n_items < score < 1
