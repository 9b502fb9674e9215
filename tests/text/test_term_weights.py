import itertools
import math

import numpy as np
import pytest

from symcere_jax.text import LsaEncoder, Reviews
from symcere_jax.text.term_weights import user_weights
from symcere_jax.text.vocabulary import count_terms
from symcere_jax.text.words import StoredWords, WordNumbers, split_words

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


@pytest.mark.parametrize("block_users", [1, 5, 512])
def test_weights_are_those_of_the_formula(reviews, monkeypatch, block_users):
    monkeypatch.setattr("symcere_jax.text.term_weights._BLOCK_USERS", block_users)
    numbers = WordNumbers(100)
    n = len(reviews.texts)
    words = StoredWords(reviews.texts, np.arange(n), numbers, None)
    vocabulary = count_terms(
        words.documents(reviews.item, 12),
        numbers.names(),
        min_documents=2,
        max_document_share=1.0,
        max_terms=100,
    )
    batches = [split_words(reviews.texts[s : s + 7], numbers.known) for s in range(0, n, 7)]
    weights = user_weights(batches, vocabulary, reviews.user, reviews.item, 12)
    assert weights.dtype == np.float32
    assert set(WORDS) <= set(vocabulary.terms)
    for word in WORDS:
        found = weights[vocabulary.terms.index(word)]
        assert found == pytest.approx(_oracle(reviews, word), rel=1e-5)


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
    return Reviews(list(texts), np.array(user), np.array(item), np.ones(len(rows), bool), 60, 24)


def test_sentiment_counts_for_less():
    reviews = _travellers()
    texts = ["rome", "great"]
    sizes = {}
    for term_weights in ("none", "users"):
        encoder = LsaEncoder(width=23, max_item_share=1.0, term_weights=term_weights)
        features = encoder.encode(reviews)
        assert features.settings["term_weights"] == term_weights
        both = features.fitted.encode_documents([["rome great"]])[0]
        rome, great = features.fitted.encode_texts(texts) @ both
        sizes[term_weights] = rome / great
    assert sizes["users"] > 1.5 * sizes["none"]


def test_held_out_reviews_leave_no_trace():
    reviews = _travellers()
    is_train = np.arange(len(reviews.texts)) % 5 != 0
    features = []
    for text in ("rome great", "paris gasket"):
        texts = [t if train else text for t, train in zip(reviews.texts, is_train, strict=True)]
        changed = Reviews(texts, reviews.user, reviews.item, is_train, 60, 24)
        encoder = LsaEncoder(width=4, max_item_share=1.0, term_weights="users")
        features.append(encoder.encode(changed))
    assert features[0].items.tobytes() == features[1].items.tobytes()
    assert features[0].users.tobytes() == features[1].users.tobytes()
