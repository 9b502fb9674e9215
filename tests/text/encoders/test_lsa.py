import dataclasses

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from symcere_jax.errors import DataError
from symcere_jax.text import LsaEncoder, Reviews


@pytest.fixture(scope="module")
def reviews(dataset):
    table = dataset.reviews(["user", "item", "split", "text"])
    return Reviews(
        texts=table["text"].to_pylist(),
        user=table["user"].to_numpy(),
        item=table["item"].to_numpy(),
        is_train=np.array(table["split"].to_pylist()) == "train",
        n_users=dataset.n_users,
        n_items=dataset.n_items,
    )


def _reviews(texts, user, item, is_train, n_users, n_items):
    owners = (np.array(rows, np.int32) for rows in (user, item))
    return Reviews(texts, *owners, np.array(is_train, bool), n_users, n_items)


def _documents(reviews, owner, n):
    """The training texts of each user or item, in plain Python."""
    rows = list(zip(reviews.texts, owner.tolist(), reviews.is_train.tolist(), strict=True))
    return [" ".join(text for text, who, train in rows if train and who == o) for o in range(n)]


def _oracle(reviews, width, **terms):
    """Features of reviews, users and items by an exact SVD, in float64."""
    vectorizer = TfidfVectorizer(
        sublinear_tf=True, ngram_range=(1, 2), stop_words="english", **terms
    )
    item_terms = vectorizer.fit_transform(_documents(reviews, reviews.item, reviews.n_items))
    _, _, components = np.linalg.svd(item_terms.toarray(), full_matrices=False)
    user_terms = vectorizer.transform(_documents(reviews, reviews.user, reviews.n_users))
    review_terms = vectorizer.transform(reviews.texts)
    basis = components[:width].T
    return [terms @ basis for terms in (review_terms, user_terms, item_terms)]


def _parts(features):
    return [features.reviews, features.users, features.items]


def test_equals_an_exact_decomposition(reviews):
    # All but one of the dimensions: the randomised range finder then misses nothing.
    width = reviews.n_items - 1
    features = LsaEncoder(width=width).encode(reviews)
    expected = _oracle(reviews, width, min_df=2, max_df=0.5)
    # The sign of a dimension is arbitrary, inner products are not.
    for left, exact_left in zip(_parts(features), expected, strict=True):
        assert left.dtype == np.float32
        for right, exact_right in zip(_parts(features), expected, strict=True):
            np.testing.assert_allclose(left @ right.T, exact_left @ exact_right.T, atol=2e-4)


def test_fewer_dimensions_keep_the_most(reviews):
    width = 8
    features = LsaEncoder(width=width).encode(reviews)
    assert [part.shape for part in _parts(features)] == [
        (len(reviews.texts), width),
        (reviews.n_users, width),
        (reviews.n_items, width),
    ]
    _, _, exact = _oracle(reviews, width, min_df=2, max_df=0.5)
    kept = (features.items**2).sum() / (exact**2).sum()
    assert 0.995 < kept < 1.0001
    assert (exact[:, 1:] ** 2).sum() / (exact**2).sum() > 0.3  # not all of it is one dimension


def test_settings_choose_the_terms(reviews):
    limits = {"min_df": 3, "max_df": 0.3}
    counter = CountVectorizer(ngram_range=(1, 2), stop_words="english", **limits)
    counts = counter.fit_transform(_documents(reviews, reviews.item, reviews.n_items)).sum(axis=0)
    n_terms = int((counts >= 5).sum())  # between two frequencies, so that no tie is to be broken
    assert 0 < n_terms < counts.size
    encoder = LsaEncoder(width=4, min_items=3, max_item_share=0.3, max_terms=n_terms, seed=1)
    features = encoder.encode(reviews)
    assert features.settings == {
        "width": 4,
        "min_items": 3,
        "max_item_share": 0.3,
        "max_terms": n_terms,
        "term_weights": "none",
        "seed": 1,
        "n_terms": n_terms,
    }
    _, _, exact = _oracle(reviews, 4, max_features=n_terms, **limits)
    assert (features.items**2).sum() == pytest.approx((exact**2).sum(), rel=5e-3)


def test_small_batches_and_a_scratch_folder_change_nothing(reviews, tmp_path, monkeypatch):
    before = LsaEncoder(width=8).encode(reviews)
    monkeypatch.setattr("symcere_jax.text.encoders.words._BATCH_WORDS", 500)
    after = LsaEncoder(width=8, scratch=tmp_path).encode(reviews)
    for left, right in zip(_parts(before), _parts(after), strict=True):
        assert left.tobytes() == right.tobytes()
    assert isinstance(after.reviews, np.memmap)
    assert after.settings == before.settings


def _held_out_rewritten(reviews):
    rows = zip(reviews.texts, reviews.is_train, strict=True)
    texts = [text if train else "gasket spoiler leaked " * 9 for text, train in rows]
    return dataclasses.replace(reviews, texts=texts)


def _held_out_shuffled(reviews):
    order = np.arange(len(reviews.texts))
    held_out = np.flatnonzero(~reviews.is_train)
    order[held_out] = np.random.default_rng(0).permutation(held_out)
    assert (order != np.arange(len(order))).any()
    return dataclasses.replace(
        reviews,
        texts=[reviews.texts[row] for row in order],
        user=reviews.user[order],
        item=reviews.item[order],
    )


def _held_out_deleted(reviews):
    rows = np.flatnonzero(reviews.is_train)
    assert 0 < len(rows) < len(reviews.texts)
    return dataclasses.replace(
        reviews,
        texts=[reviews.texts[row] for row in rows],
        user=reviews.user[rows],
        item=reviews.item[rows],
        is_train=reviews.is_train[rows],
    )


@pytest.mark.parametrize("change", [_held_out_rewritten, _held_out_shuffled, _held_out_deleted])
def test_held_out_reviews_leave_no_trace(reviews, change):
    before = LsaEncoder(width=16).encode(reviews)
    other = change(reviews)
    after = LsaEncoder(width=16).encode(other)
    assert after.users.tobytes() == before.users.tobytes()
    assert after.items.tobytes() == before.items.tobytes()
    assert after.reviews[other.is_train].tobytes() == before.reviews[reviews.is_train].tobytes()


def test_another_training_review_does_change_the_features(reviews):
    texts = list(reviews.texts)
    texts[int(np.flatnonzero(reviews.is_train)[0])] = "gasket spoiler leaked " * 9
    before = LsaEncoder(width=16).encode(reviews)
    after = LsaEncoder(width=16).encode(dataclasses.replace(reviews, texts=texts))
    assert after.users.tobytes() != before.users.tobytes()
    assert after.items.tobytes() != before.items.tobytes()


def test_what_has_no_training_text_is_zero():
    small = _reviews(
        texts=["red brake gasket", "", "red brake lens", "blue lens gasket", "red gasket lens"],
        user=[0, 1, 2, 2, 3],
        item=[0, 1, 1, 2, 3],
        is_train=[True, True, True, True, False],
        n_users=5,
        n_items=4,
    )
    features = LsaEncoder(width=2, max_item_share=1.0).encode(small)
    # User 1 wrote nothing, user 3 only a held-out review, user 4 has no review at all.
    assert features.users.any(axis=1).tolist() == [True, False, True, False, False]
    assert features.items.any(axis=1).tolist() == [True, True, True, False]
    assert features.reviews.any(axis=1).tolist() == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("texts", "width"),
    [
        # Two terms in two documents each: "red" and "brake"; a decomposition keeps one less.
        (["red car brake", "red tent", "brake lens", "rope"], 1),
        # Four terms and four items: one less than either.
        (["red brake lens hose"] * 2 + ["red", "brake lens"], 3),
    ],
)
def test_tiny_data_gives_fewer_dimensions(texts, width):
    rows = range(len(texts))
    small = _reviews(texts, rows, rows, [True] * len(texts), len(texts), len(texts))
    features = LsaEncoder(max_item_share=1.0).encode(small)
    assert [part.shape for part in _parts(features)] == [(len(texts), width)] * 3
    assert features.settings["width"] == 256  # what was asked for


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["", ""], "no text features can be made of 2 training reviews"),
        (["the and of", "it was"], "no text features can be made of 2 training reviews"),
        (["red", "blue"], "no text features can be made of 2 training reviews"),
        (["red tent", "red lens"], "need two items and two terms, the training reviews have 2 and"),
    ],
)
def test_texts_without_usable_words(texts, message):
    small = _reviews(texts, [0, 1], [0, 1], [True, True], 2, 2)
    with pytest.raises(DataError, match=f"{message}.*--text_encoder=none"):
        LsaEncoder(max_item_share=1.0).encode(small)


def test_words_of_held_out_reviews_are_not_usable():
    texts = ["red tent", "red tent"]
    small = _reviews(texts, [0, 1], [0, 1], [False, False], 2, 2)
    with pytest.raises(DataError, match="no text features can be made of 0 training reviews"):
        LsaEncoder(max_item_share=1.0).encode(small)


def test_progress_names_each_stage(reviews):
    stages = []
    LsaEncoder(width=4).encode(reviews, progress=stages.append)
    assert stages[0].startswith("counting")
    assert sum(stage.endswith("terms to 4 dimensions") for stage in stages) == 1
    assert stages[-2:] == ["encoding users", "encoding reviews"]
