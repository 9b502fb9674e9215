import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from symcere_jax.errors import DataError
from symcere_jax.explain import Aligner
from symcere_jax.explain.word_classes import (
    FACTUAL,
    OTHER,
    SENTIMENT,
    WordStatistics,
    classes_of_dataset,
    classes_of_lists,
    classify_words,
    drop_unknown_words,
    read_words,
    sentiment_lexicon,
    word_statistics,
)
from symcere_jax.preparation.sources.synthetic_truth import FACTUAL_WORDS, SENTIMENT_WORDS

N_ITEMS, N_REVIEWS = 6, 240


@pytest.fixture(scope="module")
def reviews():
    """Of six items, each with a word of its own; "superb" follows the rating, "today" nothing."""
    rng = np.random.default_rng(0)
    items = rng.integers(N_ITEMS, size=N_REVIEWS) * 10  # any labels will do
    ratings = rng.integers(1, 6, size=N_REVIEWS).astype(float)
    texts = []
    for item, rating in zip(items, ratings, strict=True):
        words = [f"part{item}"] if rng.random() < 0.8 else ["part0"]
        words += ["superb"] if rng.random() < rating / 6 else []
        words += ["today"] if rng.random() < 0.5 else []
        texts.append(" ".join([*words, "the"]))
    return texts, items, ratings


@pytest.fixture(scope="module")
def statistics(reviews):
    return word_statistics(*reviews)


def test_stop_words_are_left_out(statistics):
    assert {"superb", "today", "part10"} < set(statistics.words)
    assert "the" not in statistics.words


def test_item_information_is_mutual_information_above_chance(reviews, statistics):
    texts, items, _ = reviews
    row = statistics.words.index("part10")
    presence = np.array(["part10" in text.split() for text in texts])
    p = presence.mean()
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    rng = np.random.default_rng(0)
    _, labels = np.unique(items, return_inverse=True)
    chance = np.mean([mutual_info_score(presence, rng.permutation(labels)) for _ in range(3)])
    expected = (mutual_info_score(presence, items) - chance) / entropy
    assert statistics.item_information[row] == pytest.approx(expected, abs=1e-9)
    by_word = dict(zip(statistics.words, statistics.item_information.tolist(), strict=True))
    assert abs(by_word["today"]) < 0.05 < by_word["part10"]


def test_rating_z_is_fishers_of_pearsons(reviews, statistics):
    texts, _, ratings = reviews
    presence = np.array(["superb" in text.split() for text in texts], float)
    expected = np.arctanh(np.corrcoef(presence, ratings)[0, 1]) * math.sqrt(N_REVIEWS - 3)
    assert statistics.rating_z[statistics.words.index("superb")] == pytest.approx(expected)
    assert expected > 4


@pytest.mark.parametrize("ratings", [np.full(N_REVIEWS, 3.0), np.full(N_REVIEWS, np.nan)])
def test_without_ratings_nothing_goes_with_them(reviews, ratings):
    texts, items, _ = reviews
    assert not word_statistics(texts, items, ratings).rating_z.any()


def test_classes():
    statistics = WordStatistics(
        words=("gasket", "great", "blue", "stained", "today", "week"),
        item_information=np.array([0.54, 0.6, 0.54, 0.0, 0.1, 0.05]),
        rating_z=np.array([0.0, 3.0, 9.0, -8.0, 1.0, -2.0]),
    )
    classes = classify_words(statistics, {"great": 3.1, "today": 0.4})
    assert classes == {
        "gasket": FACTUAL,
        "great": SENTIMENT,  # the lexicon decides
        "blue": FACTUAL,  # item-specific, though it goes with the rating
        "stained": SENTIMENT,
        "today": OTHER,
        "week": OTHER,
    }


def test_planted_words_are_found(dataset):
    classes = classes_of_dataset(dataset)
    factual = [classes.get(word) for word in FACTUAL_WORDS if word in classes]
    assert sum(kind == FACTUAL for kind in factual) > 5
    assert not any(classes.get(word) == FACTUAL for word in SENTIMENT_WORDS)
    assert sum(classes.get(word) == SENTIMENT for word in SENTIMENT_WORDS) >= 12


def test_the_lexicon():
    valence = sentiment_lexicon()
    assert valence["great"] > 2 and valence["terrible"] < -1
    assert "gasket" not in valence


def test_too_few_reviews():
    with pytest.raises(DataError, match="--factual_words"):
        word_statistics(["one", "two"], np.arange(2), np.ones(2))


def test_own_lists(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeffGasket\n\n# a comment\nbolt # with one\n", encoding="utf-8")
    assert read_words(path) == ["Gasket", "bolt"]
    assert classes_of_lists(["Gasket", "nice"], ["good", "NICE"]) == {
        "gasket": FACTUAL,
        "good": SENTIMENT,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not readable"),
        (b"\xff\xfe", "not readable as UTF-8"),
        (b"bolt\nvery good\n", "line 2: 'very good' is not one word"),
        (b"# nothing\n", "has no words"),
    ],
)
def test_bad_lists(tmp_path, content, message):
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_words(path)


def test_words_that_the_encoder_does_not_know_are_dropped(dataset):
    encoder = Aligner.from_text_features("text", dataset, "lsa").encoder
    [known, *_] = [word for word in FACTUAL_WORDS if encoder.encode_texts([word]).any()]
    words = {known: FACTUAL, "zzz": FACTUAL, "of": OTHER}
    assert drop_unknown_words(words, encoder) == ({known: FACTUAL}, {FACTUAL: 0.5, OTHER: 0.0})
    emptied = {known: FACTUAL, "zzz": SENTIMENT}
    assert drop_unknown_words(emptied, encoder) == (emptied, {FACTUAL: 1.0, SENTIMENT: 0.0})
