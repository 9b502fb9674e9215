import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from symcere_jax.text.encoders.term_counts import split_words
from symcere_jax.text.item_words import item_words


def test_weights_are_those_of_scikit_learn(dataset):
    """Up to the order of the words, which cosines do not depend on."""
    reviews = dataset.reviews(["item", "split", "text"]).to_pylist()
    documents = [
        " ".join(r["text"] for r in reviews if r["item"] == item and r["split"] == "train")
        for item in range(dataset.n_items)
    ]
    oracle = TfidfVectorizer(
        tokenizer=split_words, token_pattern=None, lowercase=False, sublinear_tf=True, min_df=2
    )
    expected = oracle.fit_transform(documents)
    found = item_words(dataset)
    assert found.shape == expected.shape
    np.testing.assert_allclose((found @ found.T).todense(), (expected @ expected.T).todense(),
                               atol=1e-5)  # fmt: skip


def test_batches_change_nothing(dataset, monkeypatch):
    whole = item_words(dataset)
    monkeypatch.setattr("symcere_jax.text.item_words._BATCH", 37)
    parts = item_words(dataset)
    assert abs(whole - parts).max() < 1e-6
