import dataclasses
import json
import shutil

import numpy as np
import pytest

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.text import (
    LsaEncoder,
    Reviews,
    load_text_encoder,
    read_text_encoder,
    save_text_encoder,
)
from symcere_jax.text.encoders.combination import FittedCombined, join


@pytest.fixture
def folder(dataset, tmp_path):
    return shutil.copytree(dataset.folder, tmp_path / "copy")


def _documents(dataset):
    """The training texts of each user and of each item."""
    table = dataset.reviews(["user", "item", "split", "text"]).to_pylist()
    documents = {
        "user": [[] for _ in range(dataset.n_users)],
        "item": [[] for _ in range(dataset.n_items)],
    }
    for row in table:
        if row["split"] == "train":
            for kind, texts in documents.items():
                texts[row[kind]].append(row["text"])
    return documents


def test_a_stored_encoder_makes_the_stored_features(dataset):
    fitted = load_text_encoder(dataset, "lsa")
    texts = dataset.reviews(["text"])["text"].to_pylist()
    made = fitted.encode_texts(texts)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made.astype(np.float16), dataset.text_features("lsa", "reviews"))
    assert made.any()
    for kind, documents in _documents(dataset).items():
        made = fitted.encode_documents(documents)
        np.testing.assert_array_equal(made, dataset.text_features("lsa", f"{kind}s"))


def test_texts_that_it_was_not_fitted_on(dataset):
    fitted = load_text_encoder(dataset, "lsa")
    text = dataset.reviews(["text"])["text"][0].as_py()
    odd = ["", "the of", "qqqzzz", f"{text} qqqzzz"]
    made = fitted.encode_texts(odd)
    assert made.shape == (4, fitted.width) == (4, 16)
    assert not made[:3].any()
    np.testing.assert_array_equal(made[3], fitted.encode_texts([text])[0])
    documents = fitted.encode_documents([[], [""], [text]])
    assert not documents[:2].any()
    np.testing.assert_array_equal(documents[2], made[3])
    assert fitted.encode_texts([]).shape == fitted.encode_documents([]).shape == (0, 16)


def test_words_that_add_nothing(dataset):
    fitted = load_text_encoder(dataset, "lsa")
    text = dataset.reviews(["text"])["text"][0].as_py()
    odd = "The Qqqzzz of pool, qqqzzz xxyyxx a"
    assert fitted.unknown_words(odd) == ["qqqzzz", "xxyyxx"]
    assert fitted.unknown_words("") == fitted.unknown_words("the of") == []
    # What is left without them has the same features.
    for words in (odd, f"{text} qqqzzz"):
        kept = [w for w in words.split() if w.strip(",").lower() not in fitted.unknown_words(words)]
        expected = fitted.encode_texts([" ".join(kept)])
        np.testing.assert_allclose(fitted.encode_texts([words]), expected, atol=1e-6)


def test_a_folder_without_text(dataset_without_text):
    with pytest.raises(DataError, match=r"no text encoder 'lsa', only none; prepare the"):
        load_text_encoder(dataset_without_text, "lsa")


def test_features_from_elsewhere_have_no_encoder(dataset):
    files = {name: e for name, e in dataset.manifest.files.items() if "/model/" not in name}
    old = dataclasses.replace(dataset, manifest=dataclasses.replace(dataset.manifest, files=files))
    with pytest.raises(DataError, match="have no encoder"):
        load_text_encoder(old, "lsa")


def _declare(folder):
    """Opens the folder with a manifest that fits its files."""
    manifest = schema.Manifest.read(folder)
    files = {name: schema.file_entry(folder / name) for name in manifest.files}
    dataclasses.replace(manifest, files=files).write(folder)
    return ReviewDataset.load(folder)


@pytest.mark.parametrize("name", ["model.json", "buckets.npy"])
def test_a_damaged_file(dataset, folder, name):
    dataset = dataclasses.replace(dataset, folder=folder)
    path = folder / schema.text_model_file("lsa", name)
    half = path.stat().st_size // 2
    for content in (b"", path.read_bytes()[:half], path.read_bytes()[:20] + b"\0" * half):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is damaged: its checksum is not the one"):
            load_text_encoder(dataset, "lsa")
        with pytest.raises(DataError, match=r"not a readable text encoder|not a NumPy file"):
            load_text_encoder(_declare(folder), "lsa")
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        load_text_encoder(dataset, "lsa")


def test_an_unknown_kind_and_another_width(folder):
    path = folder / schema.text_model_file("lsa", "basis.npy")
    np.save(path, np.load(path)[:, :3])
    with pytest.raises(DataError, match="3 wide, the manifest says 16"):
        load_text_encoder(_declare(folder), "lsa")
    np.save(path, np.load(path)[:-1])
    with pytest.raises(DataError, match="not of one length"):
        load_text_encoder(_declare(folder), "lsa")
    (folder / schema.text_model_file("lsa")).write_text(json.dumps({"kind": "doc2vec"}))
    with pytest.raises(DataError, match="not a readable text encoder"):
        load_text_encoder(_declare(folder), "lsa")


def test_encoders_side_by_side_are_stored_with_their_parts(dataset, tmp_path):
    lsa = load_text_encoder(dataset, "lsa")
    save_text_encoder(FittedCombined([lsa, lsa]), tmp_path / "text/both/model")
    both = read_text_encoder((tmp_path / schema.text_model_file("both")).parent)
    assert both.width == 2 * lsa.width
    texts = ["quiet pool", "qqqzzz"]
    np.testing.assert_allclose(both.encode_texts(texts), join([lsa.encode_texts(texts)] * 2))
    documents = [texts, []]
    expected = join([lsa.encode_documents(documents)] * 2)
    np.testing.assert_allclose(both.encode_documents(documents), expected)
    assert both.unknown_words("pool qqqzzz") == ["qqqzzz"]


def test_rare_terms_are_stored_as_the_items_that_have_them(tmp_path):
    rng = np.random.default_rng(0)
    texts = [" ".join(f"word{n}" for n in rng.integers(2000, size=60)) for _ in range(80)]
    rows = np.arange(80, dtype=np.int32)
    reviews = Reviews(texts, rows // 2, rows, np.ones(80, bool), 40, 80)
    features = LsaEncoder(width=70).encode(reviews)
    for name, compact in (("whole", False), ("compact", True)):
        save_text_encoder(features.fitted, tmp_path / name, compact=compact)
        fitted = read_text_encoder(tmp_path / name)
        assert fitted.width == 70
        np.testing.assert_allclose(fitted.encode_texts(texts), features.reviews, atol=3e-4)
        assert fitted.unknown_words(f"{texts[0]} qqqzzz")[-1] == "qqqzzz"
    assert not (tmp_path / "compact/basis.npy").exists()
    counts = tmp_path / "compact/counts.npz"
    content = bytearray(counts.read_bytes())
    for start, junk in ((200, b"\0" * 50), (0, b"\0" * len(content))):
        content[start : start + len(junk)] = junk
        counts.write_bytes(content)
        with pytest.raises(DataError, match="not a readable text encoder"):
            read_text_encoder(tmp_path / "compact")
