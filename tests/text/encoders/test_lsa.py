import dataclasses

import numpy as np
import pytest
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from symcere_jax.errors import DataError
from symcere_jax.text import LsaEncoder, Reviews
from symcere_jax.text.encoders import lsa, rows


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


def _oracle(reviews, width, **terms):
    """Features of reviews, users and items by an exact SVD, in float64."""
    counter = CountVectorizer(ngram_range=(1, 2), stop_words="english")
    counts = counter.fit_transform(reviews.texts).toarray().astype(float)

    def joined(owner, n):
        documents = np.zeros((n, counts.shape[1]))
        np.add.at(documents, owner[reviews.is_train], counts[reviews.is_train])
        return documents

    items, users = joined(reviews.item, reviews.n_items), joined(reviews.user, reviews.n_users)
    n_with_term = (items > 0).sum(axis=0)
    limits = {"min_df": 2, "max_df": 0.5} | terms
    kept = n_with_term >= limits["min_df"]
    kept &= n_with_term <= limits["max_df"] * reviews.n_items
    tfidf = TfidfTransformer(sublinear_tf=True).fit(items[:, kept])
    weights = [tfidf.transform(part[:, kept]).toarray() for part in (counts, users, items)]
    _, _, components = np.linalg.svd(weights[2], full_matrices=False)
    return [part @ components[:width].T for part in weights]


def _parts(features):
    return [features.reviews, features.users, features.items]


def test_equals_an_exact_decomposition(reviews):
    # All but one of the dimensions: the randomized range finder then misses nothing.
    width = reviews.n_items - 1
    features = LsaEncoder(width=width).encode(reviews)
    expected = _oracle(reviews, width)
    assert [part.dtype for part in _parts(features)] == [np.float16, np.float32, np.float32]
    parts = [part.astype(float) for part in _parts(features)]
    # The sign of a dimension is arbitrary, inner products are not.
    for left, exact_left in zip(parts, expected, strict=True):
        for right, exact_right in zip(parts, expected, strict=True):
            np.testing.assert_allclose(left @ right.T, exact_left @ exact_right.T, atol=5e-4)


def test_settings_choose_the_terms(reviews):
    encoder = LsaEncoder(width=4, min_items=3, max_item_share=0.3, seed=1)
    features = encoder.encode(reviews)
    _, _, exact = _oracle(reviews, 4, min_df=3, max_df=0.3)
    assert (features.items**2).sum() == pytest.approx((exact**2).sum(), rel=5e-3)
    n_terms = features.settings["n_terms"]
    settings = {"width": 4, "min_items": 3, "max_item_share": 0.3, "max_terms": 500_000, "seed": 1}
    assert features.settings == settings | {"n_terms": n_terms}
    fewer = dataclasses.replace(encoder, max_terms=n_terms // 2).encode(reviews)
    assert fewer.settings["n_terms"] == n_terms // 2
    assert features.fitted.unknown_words("pool") == fewer.fitted.unknown_words("pool") == []
    assert set(fewer.fitted._buckets) < set(features.fitted._buckets)
    assert min(fewer.fitted._idf) == min(features.fitted._idf)  # the most common are kept


def test_small_blocks_and_a_scratch_folder_change_nothing(reviews, tmp_path, monkeypatch):
    before = LsaEncoder(width=8).encode(reviews)
    monkeypatch.setattr(lsa, "_BLOCK_TEXTS", 7)
    monkeypatch.setattr(rows, "_BLOCK", 5)
    after = LsaEncoder(width=8, scratch=tmp_path).encode(reviews)
    for left, right in zip(_parts(before), _parts(after), strict=True):
        assert left.tobytes() == right.tobytes()
    assert isinstance(after.reviews, np.memmap)
    assert after.settings == before.settings


@pytest.mark.parametrize("few_rows", [0, 1000])
@pytest.mark.parametrize("shape", [(90, 400), (400, 90)])
def test_singular_vectors(monkeypatch, shape, few_rows):
    monkeypatch.setattr(lsa, "_FEW_ROWS", few_rows)
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.5, size=(shape[0], 8)) @ rng.gamma(0.3, size=(8, shape[1])))
    matrix = scipy.sparse.csr_matrix(dense.astype(np.float32))
    vectors, products = lsa.right_singular_vectors(matrix, 20, seed=3)
    _, values, expected = np.linalg.svd(dense.astype(float), full_matrices=False)
    assert vectors.dtype == products.dtype == np.float32
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(20), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(products, axis=0), values[:20], rtol=1e-4)
    np.testing.assert_allclose(
        vectors[:, :8] @ vectors[:, :8].T, expected[:8].T @ expected[:8], atol=1e-3
    )
    np.testing.assert_allclose(products, matrix @ vectors, rtol=1e-3, atol=1e-3)
    assert (products[np.abs(products).argmax(axis=0), np.arange(20)] > 0).all()


@pytest.mark.parametrize("shape", [(40, 200), (200, 40), (8, 30), (3000, 500)])
def test_directions_that_are_not_there_are_zero(shape):
    row = np.random.default_rng(0).poisson(1.0, shape[1]).astype(np.float32)
    matrix = scipy.sparse.csr_matrix(np.tile(row, (shape[0], 1)))  # of rank one
    vectors, products = lsa.right_singular_vectors(matrix, 6, seed=0)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), [1, 0, 0, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(products @ vectors.T, matrix.toarray(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("change", ["shuffled", "deleted"])
def test_held_out_reviews_leave_no_trace(reviews, change):
    held_out = np.flatnonzero(~reviews.is_train)
    order = np.arange(len(reviews.texts))
    order[held_out] = np.random.default_rng(0).permutation(held_out)
    rows = order if change == "shuffled" else np.flatnonzero(reviews.is_train)
    assert rows.tolist() != list(range(len(order)))
    texts = [reviews.texts[row] for row in rows]
    other = _reviews(
        texts, reviews.user[rows], reviews.item[rows], reviews.is_train[rows],
        reviews.n_users, reviews.n_items,
    )  # fmt: skip
    before, after = (LsaEncoder(width=16).encode(each) for each in (reviews, other))
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
    ("texts", "is_train", "message"),
    [
        (["", ""], True, "no text features can be made of 2 training reviews"),
        (["the and of", "it was"], True, "no text features can be made of 2 training reviews"),
        (["red", "blue"], True, "no text features can be made of 2 training reviews"),
        (["red tent", "red lens"], True, "need two items and two terms, .* reviews have 2 and"),
        (["red tent", "red tent"], False, "no text features can be made of 0 training reviews"),
    ],
)
def test_texts_without_usable_words(texts, is_train, message):
    small = _reviews(texts, [0, 1], [0, 1], [is_train] * 2, 2, 2)
    with pytest.raises(DataError, match=f"{message}.*--text_encoder=none"):
        LsaEncoder(max_item_share=1.0).encode(small)


@pytest.mark.parametrize("words", [["早餐", "海滩", "电池"], ["breakfast", "beach", "battery"]])
def test_a_word_within_running_text_finds_its_items(words):
    joint = "" if words[0] == "早餐" else " "
    frames = (["非常好的", "，下次再来。"], ["服务员说", "还可以，有点吵。"])
    items = np.arange(12)
    texts = [
        joint.join([frame[0], words[item % 3], frame[1]]) for item in items for frame in frames
    ]
    owner = np.repeat(items, 2)
    features = LsaEncoder(width=8).encode(
        _reviews(texts, owner, owner, np.ones(24), n_users=12, n_items=12)
    )
    cosines = features.items @ features.fitted.encode_texts(words).T
    for place in range(3):
        best = np.argsort(-cosines[:, place], kind="stable")[:4]
        assert set(best % 3) == {place}
