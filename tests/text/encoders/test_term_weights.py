import dataclasses
import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from symcere_jax.errors import DataError
from symcere_jax.text import LsaEncoder, Reviews
from symcere_jax.text.encoders.term_weights import rating_weights, user_weights
from symcere_jax.text.encoders.vocabulary import count_terms
from symcere_jax.text.encoders.words import StoredWords, WordNumbers, split_words

WORDS = ["great", "friendly", "rome", "paris", "oslo", "lens", "tent", "rope"]


@pytest.fixture
def reviews():
    rng = np.random.default_rng(0)
    pairs = sorted({(int(u), int(i)) for u, i in rng.integers(0, 12, (60, 2))})
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 5))) for _ in pairs]
    user, item = np.array(pairs, np.int32).T
    return Reviews(texts, user, item, np.ones(len(pairs), bool), 12, 12)


def _oracle(reviews, term):
    """The weight of a word by loops over users and pairs of their items."""
    rows = list(zip(reviews.user.tolist(), reviews.item.tolist(), reviews.texts, strict=True))

    def others_say(user, item):
        return any(i == item and u != user and term in text.split() for u, i, text in rows)

    n_pairs = n_both = n_with = 0
    for user in range(reviews.n_users):
        found = [others_say(user, item) for u, item, _ in rows if u == user]
        n_with += sum(found)
        for left, right in itertools.combinations(found, 2):
            n_pairs += 1
            n_both += left and right
    expected = n_pairs * (n_with / len(rows)) ** 2
    return math.log(1 + (n_both + 1) / (expected + 1))


def _vocabulary(reviews):
    """The terms of some reviews, and their words in batches."""
    numbers = WordNumbers(100)
    n = len(reviews.texts)
    words = StoredWords(reviews.texts, np.arange(n), numbers, None)
    vocabulary = count_terms(
        words.documents(reviews.item, reviews.n_items),
        numbers.names(),
        min_documents=2,
        max_document_share=1.0,
        max_terms=100,
    )
    return vocabulary, [
        split_words(reviews.texts[s : s + 7], numbers.known) for s in range(0, n, 7)
    ]


@pytest.mark.parametrize("block_users", [1, 5, 512])
def test_weights_are_those_of_the_formula(reviews, monkeypatch, block_users):
    monkeypatch.setattr("symcere_jax.text.encoders.term_weights._BLOCK_USERS", block_users)
    vocabulary, batches = _vocabulary(reviews)
    weights = user_weights(batches, vocabulary, reviews.user, reviews.item, 12)
    assert weights.dtype == np.float32
    assert set(WORDS) <= set(vocabulary.terms)
    for word in WORDS:
        found = weights[vocabulary.terms.index(word)]
        assert found == pytest.approx(_oracle(reviews, word), rel=1e-5)


def test_weights_by_ratings_are_those_of_the_formula(reviews):
    rng = np.random.default_rng(2)
    rating = np.where(
        ["great" in text for text in reviews.texts], 5.0, rng.integers(1, 4, len(reviews.texts))
    )
    rating[::9] = np.nan
    vocabulary, batches = _vocabulary(reviews)
    weights = rating_weights(batches, vocabulary, reviews.item, rating, seed=3)
    known = np.isfinite(rating)
    _, items = np.unique(reviews.item[known], return_inverse=True)
    _, ratings = np.unique(rating[known], return_inverse=True)
    texts = [text for text, has in zip(reviews.texts, known, strict=True) if has]
    dealt = np.random.default_rng(3)
    shuffled = [dealt.permutation(classes) for classes in (items, ratings)]
    for word in WORDS:
        has = [word in text.split() for text in texts]
        of_item, of_rating = (
            len(texts) * max(mutual_info_score(has, classes) - mutual_info_score(has, by_chance), 0)
            for classes, by_chance in zip((items, ratings), shuffled, strict=True)
        )
        expected = (1 + of_item) / (1 + of_item + of_rating)
        found = weights[vocabulary.terms.index(word)]
        assert found == pytest.approx(expected, rel=1e-4)
    assert weights.argmin() == vocabulary.terms.index("great")
    with pytest.raises(DataError, match="needs training reviews with different ratings"):
        rating_weights(batches, vocabulary, reviews.item, np.full(len(rating), 3.0))


def _travellers():
    """Each user stays in one city; each review says where, and that it was great, or not."""
    rng = np.random.default_rng(1)
    cities = ["rome", "paris", "oslo", "cairo"]
    rows = []
    for user in range(60):
        for item in rng.choice(6, 3, replace=False) * 4 + user % 4:
            mood = rng.choice(["great", "awful"])
            rows.append((user, int(item), f"{cities[user % 4]} {mood} {rng.choice(['x1', 'x2'])}"))
    rows.sort()
    user, item, texts = zip(*rows, strict=True)
    rating = np.float32([5 if "great" in text else 1 for text in texts])
    train = np.ones(len(rows), bool)
    return Reviews(list(texts), np.array(user), np.array(item), train, 60, 24, rating)


def test_sentiment_counts_for_less():
    reviews = _travellers()
    texts = ["rome", "great"]
    sizes = {}
    for term_weights in ("none", "users", "ratings"):
        encoder = LsaEncoder(width=23, max_item_share=1.0, term_weights=term_weights)
        features = encoder.encode(reviews)
        assert features.settings["term_weights"] == term_weights
        both = features.fitted.encode_documents([["rome great"]])[0]
        rome, great = features.fitted.encode_texts(texts) @ both
        sizes[term_weights] = rome / great
    assert sizes["users"] > 1.5 * sizes["none"]
    assert sizes["ratings"] > 10 * sizes["none"]


@pytest.mark.parametrize("term_weights", ["users", "ratings"])
def test_held_out_reviews_leave_no_trace(term_weights):
    reviews = _travellers()
    is_train = np.arange(len(reviews.texts)) % 5 != 0
    features = []
    for text in ("rome great", "paris gasket"):
        texts = [t if train else text for t, train in zip(reviews.texts, is_train, strict=True)]
        rating = np.where(is_train, reviews.rating, len(features))
        changed = dataclasses.replace(reviews, texts=texts, is_train=is_train, rating=rating)
        encoder = LsaEncoder(width=4, max_item_share=1.0, term_weights=term_weights)
        features.append(encoder.encode(changed))
    assert features[0].items.tobytes() == features[1].items.tobytes()
    assert features[0].users.tobytes() == features[1].users.tobytes()
