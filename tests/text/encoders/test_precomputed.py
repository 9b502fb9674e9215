import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from symcere_jax.arrays import unit_rows
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.text import PrecomputedEncoder, Reviews
from symcere_jax.text.encoders.rows import owner_means


@pytest.fixture(scope="module")
def reviews(dataset):
    table = dataset.reviews(["user", "item", "split"])
    is_train = np.array(table["split"].to_pylist()) == "train"
    owners = (table[kind].to_numpy() for kind in ("user", "item"))
    return Reviews([""] * len(table), *owners, is_train, dataset.n_users, dataset.n_items)


@pytest.fixture
def vectors(reviews):
    return np.random.default_rng(0).normal(size=(len(reviews.user), 5)).astype(np.float32)


def _table(dataset, reviews, vectors):
    return pa.table(
        {
            "item_id": dataset.item_ids()[reviews.item],
            "user_id": dataset.user_ids()[reviews.user],
            "embedding": list(vectors),
        }
    )


def test_rows_in_the_order_of_the_reviews(dataset, reviews, vectors, tmp_path):
    np.save(tmp_path / "v.npy", vectors.astype(np.float64))
    encoder = PrecomputedEncoder(tmp_path / "v.npy", dataset.folder, tmp_path)
    features = encoder.encode(reviews)
    np.testing.assert_allclose(features.reviews, unit_rows(vectors), atol=3e-4)
    expected = owner_means(features.reviews, reviews.is_train, reviews.item, reviews.n_items)
    np.testing.assert_allclose(features.items, expected, atol=1e-6)
    assert features.users.shape == (reviews.n_users, 5)
    assert features.settings["file"] == "v.npy"
    assert features.fitted is None


def test_rows_by_user_and_item(dataset, reviews, vectors, tmp_path):
    order = np.random.default_rng(1).permutation(len(vectors))
    table = _table(dataset, reviews, vectors).take(pa.array(order))
    stranger = pa.table({"item_id": ["?"], "user_id": ["?"], "embedding": [np.ones(5, np.float32)]})
    pq.write_table(pa.concat_tables([stranger, table]), tmp_path / "v.parquet")
    features = PrecomputedEncoder(tmp_path / "v.parquet", dataset.folder).encode(reviews)
    np.testing.assert_allclose(features.reviews, unit_rows(vectors), atol=3e-4)


@pytest.mark.parametrize(("kind", "other"), [("item", "user"), ("user", "item")])
@pytest.mark.parametrize("as_list", [True, False])
def test_vectors_of_items_or_users(dataset, reviews, tmp_path, kind, other, as_list):
    ids = getattr(dataset, f"{kind}_ids")()
    owner = getattr(reviews, kind)
    vectors = np.random.default_rng(0).normal(size=(len(ids), 5)).astype(np.float32)
    columns = (
        {"embedding": list(vectors)} if as_list else {f"x{n}": vectors[:, n] for n in range(5)}
    )
    order = np.random.default_rng(1).permutation(len(ids))[:-1]
    table = pa.table({f"{kind}_id": ids, **columns}).take(pa.array(order))
    pq.write_table(table, tmp_path / "v.parquet")
    messages: list[str] = []
    encoder = PrecomputedEncoder(tmp_path / "v.parquet", dataset.folder, tmp_path)
    features = encoder.encode(reviews, announce=messages.append)
    expected = unit_rows(vectors)
    expected[np.setdiff1d(np.arange(len(ids)), order)] = 0
    np.testing.assert_allclose(getattr(features, f"{kind}s"), expected, atol=1e-6)
    np.testing.assert_allclose(features.reviews, expected[owner], atol=3e-4)
    n_others = getattr(reviews, f"n_{other}s")
    means = owner_means(features.reviews, reviews.is_train, getattr(reviews, other), n_others)
    np.testing.assert_array_equal(getattr(features, f"{other}s"), means)
    assert messages[1:] == [f"no vector for 1 of {len(ids)} {kind}s"]
    pq.write_table(table.set_column(0, f"{kind}_id", pa.array(["?"] * len(order))), encoder.file)
    with pytest.raises(DataError, match=f"no vector for .* {kind}s, .*ids must be as in the raw"):
        encoder.encode(reviews)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda vectors: np.where(np.arange(len(vectors))[:, None] == 3, np.nan, vectors),
            r"row 3: not finite \(1 such",
        ),
        (lambda vectors: 0 * vectors, "all vectors are 0"),
        (lambda vectors: vectors[:-1], "rows, but there are .* reviews"),
        (lambda vectors: vectors[:, 0], r"expected floats \[reviews, width\]"),
        (lambda vectors: vectors.astype(int), "int64 .* expected floats"),
    ],
)
def test_vectors_that_cannot_be_right(dataset, reviews, vectors, tmp_path, damage, message):
    np.save(tmp_path / "v.npy", damage(vectors))
    with pytest.raises(DataError, match=rf"v\.npy.*{message}"):
        PrecomputedEncoder(tmp_path / "v.npy", dataset.folder).encode(reviews)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.slice(1), "no vector for 1 of .* reviews, the first of which is row 0"),
        (lambda t: pa.concat_tables([t, t.slice(4, 1)]), "row 4: second vector of the same"),
        (lambda t: t.rename_columns(["a", "b", "c"]), "needs a column user_id, item_id, or both"),
        (lambda t: t.drop_columns(["embedding"]), "needs a column embedding, or columns of floats"),
        (lambda t: t.drop_columns(["user_id"]), "row .*second vector of the same item_id"),
        (
            lambda t: t.set_column(2, "embedding", pa.array([[1.0]] + [[1.0, 2.0]] * (len(t) - 1))),
            r"vectors of different widths: \[1, 2\]",
        ),
        (lambda t: t.set_column(2, "embedding", t["user_id"]), "vectors lists of floats"),
    ],
)
def test_a_table_that_does_not_fit(dataset, reviews, vectors, tmp_path, change, message):
    pq.write_table(change(_table(dataset, reviews, vectors)), tmp_path / "v.parquet")
    with pytest.raises(DataError, match=rf"v\.parquet.*{message}"):
        PrecomputedEncoder(tmp_path / "v.parquet", dataset.folder).encode(reviews)


def test_a_file_that_is_missing(dataset, reviews, tmp_path):
    with pytest.raises(DataError, match=r"--text_embeddings: .*v\.npy is missing$"):
        PrecomputedEncoder(tmp_path / "v.npy", dataset.folder).encode(reviews)
    with pytest.raises(ConfigError, match="precomputed needs --text_embeddings"):
        PrecomputedEncoder(None, dataset.folder)
    (tmp_path / "v.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        PrecomputedEncoder(tmp_path / "v.parquet", dataset.folder).encode(reviews)
