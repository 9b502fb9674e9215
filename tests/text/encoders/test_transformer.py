import json
import shutil

import numpy as np
import pytest

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.text import Reviews, TransformerEncoder
from symcere_jax.text.encoders import transformer
from symcere_jax.text.encoders.rows import owner_means
from symcere_jax.text.encoders.transformer import FittedTransformer
from symcere_jax.text.hub import SentenceEncoder
from tests.text.hub.models import encoded, make_model, random_texts


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_model(folder, "bert")
    return folder


@pytest.fixture
def reviews():
    rng = np.random.default_rng(0)
    texts = random_texts(30, 13)
    texts[4] = ""
    user, item = rng.integers(0, 8, (2, 30)).astype(np.int32)
    return Reviews(texts, user, item, np.arange(30) % 3 != 0, 8, 9)


def test_reviews_users_and_items(model, reviews, tmp_path):
    features = TransformerEncoder(str(model), scratch=tmp_path).encode(reviews)
    assert isinstance(features.reviews, np.memmap)
    expected = encoded(SentenceEncoder(model), reviews.texts)
    np.testing.assert_allclose(features.reviews, expected, atol=3e-4)
    for made, owner, n in ((features.users, reviews.user, 8), (features.items, reviews.item, 9)):
        np.testing.assert_allclose(
            made, owner_means(expected, reviews.is_train, owner, n), atol=3e-4
        )
    counts = []
    features.fitted.encode_texts(reviews.texts, counts.append)
    assert sum(counts) == 30
    assert features.settings["model"] == str(model)


def test_a_fitted_one_does_the_same_after_it_was_stored(model, reviews, tmp_path):
    features = TransformerEncoder(str(model)).encode(reviews)
    features.fitted.save(tmp_path)
    fitted = FittedTransformer.load(tmp_path)
    assert fitted.width == features.reviews.shape[1]
    np.testing.assert_allclose(fitted.encode_texts(reviews.texts), features.reviews, atol=3e-4)
    documents = [
        [reviews.texts[row] for row in np.flatnonzero(reviews.is_train & (reviews.item == item))]
        for item in range(9)
    ]
    np.testing.assert_allclose(fitted.encode_documents(documents), features.items, atol=3e-4)
    assert fitted.encode_texts([]).shape == (0, fitted.width)


def test_a_killed_run_goes_on_where_it_stopped(model, reviews, tmp_path, monkeypatch):
    encoded = []
    as_done = SentenceEncoder.encode_as_done

    def counting(self, texts):
        encoded.extend(texts)
        yield from as_done(self, texts)

    def killed(self, texts):
        results = as_done(self, texts)
        yield next(results)
        yield next(results)
        raise KeyboardInterrupt

    monkeypatch.setattr(transformer, "_BLOCK_TEXTS", 16)
    settings = {"cache": tmp_path / "cache", "tokens_per_device": 64}
    monkeypatch.setattr(SentenceEncoder, "encode_as_done", killed)
    with pytest.raises(KeyboardInterrupt):
        TransformerEncoder(str(model), **settings).encode(reviews)
    monkeypatch.setattr(SentenceEncoder, "encode_as_done", counting)
    features = TransformerEncoder(str(model), **settings).encode(reviews)
    assert 0 < len(encoded) < len(set(reviews.texts))
    whole = TransformerEncoder(str(model)).encode(reviews)
    np.testing.assert_allclose(features.reviews, whole.reviews, atol=3e-4)

    encoded.clear()
    texts = [*reviews.texts[:-1], "pool pool pool"]
    changed = Reviews(texts, reviews.user, reviews.item, reviews.is_train, 8, 9)
    TransformerEncoder(str(model), **settings).encode(changed)
    assert encoded == ["pool pool pool"]
    encoded.clear()
    TransformerEncoder(str(model), prefix="red", **settings).encode(reviews)
    assert len(encoded) == len(set(reviews.texts))  # another prefix makes other vectors


def test_a_model_that_has_changed(model, reviews, tmp_path):
    folder = shutil.copytree(model, tmp_path / "copy")
    fitted = TransformerEncoder(str(folder)).encode(reviews).fitted
    fitted = FittedTransformer(str(folder), fitted.fingerprint, fitted.width)
    (folder / "note.txt").write_text("")
    with pytest.raises(DataError, match="has changed since the text features"):
        fitted.encode_texts(["red"])
    shutil.rmtree(folder)
    fitted = FittedTransformer(str(folder), "0", 3)
    with pytest.raises(DataError, match="is not a folder, and cannot be downloaded"):
        fitted.encode_texts(["red"])


def test_no_model_is_named():
    with pytest.raises(ConfigError, match="needs --text_model"):
        TransformerEncoder("")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "t5"}, "models of type 't5' are not supported, only bert, .*precomputed"),
        ({"hidden_size": 16}, "has shape .* config.json says"),
        ({"num_hidden_layers": 9}, "the weights have no tensor 'encoder.layer.2"),
        ({"hidden_act": "tanh"}, "activation 'tanh'"),
        ({"vocab_size": None}, "has shape|malformed"),
    ],
)
def test_a_model_that_cannot_be_read(model, reviews, tmp_path, change, message):
    folder = shutil.copytree(model, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=message):
        TransformerEncoder(str(folder)).encode(reviews)


def test_a_model_folder_without_its_files(model, reviews, tmp_path):
    folder = shutil.copytree(model, tmp_path / "copy")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="no readable tokenizer"):
        TransformerEncoder(str(folder)).encode(reviews)
    (folder / "model.safetensors").write_bytes(b"pickled")
    with pytest.raises(DataError, match="not readable as safetensors"):
        TransformerEncoder(str(folder)).encode(reviews)
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"has no model\.safetensors"):
        TransformerEncoder(str(folder)).encode(reviews)
    (folder / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(DataError, match="malformed"):
        TransformerEncoder(str(folder)).encode(reviews)
    (folder / "config.json").unlink()
    with pytest.raises(DataError, match=r"it has no config\.json"):
        TransformerEncoder(str(folder)).encode(reviews)


def test_what_is_kept_is_encoded_once(model, reviews, tmp_path, monkeypatch):
    features = TransformerEncoder(str(model)).encode(reviews)
    read = []
    original = SentenceEncoder.encode_as_done

    def recording(self, texts):
        read.extend(texts)
        return original(self, texts)

    monkeypatch.setattr(SentenceEncoder, "encode_as_done", recording)
    features.fitted.use_cache(tmp_path)
    for _ in range(2):
        found = features.fitted.encode_texts(reviews.texts)
        np.testing.assert_allclose(found, features.reviews, atol=3e-4)
        assert features.fitted.encode_documents([reviews.texts[:3]]).any()
    assert sorted(read) == sorted(set(reviews.texts))
    # As it is on disk, another one has no text to read either.
    TransformerEncoder(str(model), cache=tmp_path).encode(reviews)
    assert sorted(read) == sorted(set(reviews.texts))
