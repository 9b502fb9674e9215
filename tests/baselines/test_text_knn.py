import collections
import math

import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.baselines import text_knn
from symcere_jax.baselines.text_knn import EncoderKnn, TfidfKnn, item_documents
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError

from . import small

TEXTS = {
    (0, 0): "gasket fits fits engine",
    (0, 1): "gasket leaks",
    (1, 2): "engine oil",
    (2, 2): "oil oil filter",
    (3, 3): "filter engine gasket",
    (4, 4): "perfume",
}
HELD_OUT = {(1, 0): "perfume perfume oil", (2, 4): "gasket engine"}


class WithTexts(ReviewDataset):
    """The training reviews of `TEXTS`, held-out ones of `HELD_OUT`."""

    def reviews(self, columns=None):
        rows = [(i, "train", text) for (_, i), text in TEXTS.items()]
        rows += [(i, "test", text) for (_, i), text in HELD_OUT.items()]
        item, split, text = zip(*rows, strict=True)
        return pa.table({"item": pa.array(item, pa.int32()), "split": split, "text": text})


@pytest.fixture
def written():
    data = small.dataset(list(TEXTS), [], list(HELD_OUT), n_users=5, n_items=5)
    return WithTexts(data.folder, data.manifest, data.train, data.valid, data.test)


def _scores(vectors, train, n_users, k, amplification):
    """Sums of amplified cosines over histories, from rows of features."""
    n_items = len(vectors)
    scores = np.zeros((n_users, n_items))
    for item in range(n_items):
        cosines = {}
        for other in range(n_items):
            norms = math.sqrt((vectors[item] @ vectors[item]) * (vectors[other] @ vectors[other]))
            if other != item and norms:
                cosines[other] = max(vectors[item] @ vectors[other] / norms, 0.0)
        for other in sorted(cosines, key=lambda other: (-np.float32(cosines[other]), other))[:k]:
            for user, bought in train:
                if bought == item:
                    scores[user, other] += cosines[other] ** amplification
    return scores


def test_documents_are_training_reviews_alone(written):
    documents = item_documents(written)
    assert documents[2] == "engine oil oil oil filter"
    assert documents[4] == "perfume"
    assert not set(HELD_OUT.values()) & set(documents)


def test_tfidf_equals_the_textbook(written):
    method = TfidfKnn(k=3, amplification=2.0, words=1, max_item_share=0.7)
    found = small.scores(method.fit(written, 0), range(5))
    counts = [collections.Counter(document.split()) for document in item_documents(written)]
    in_items = collections.Counter(term for count in counts for term in count)
    terms = sorted(term for term, n in in_items.items() if 2 <= n <= 0.7 * 5)
    assert terms == ["engine", "filter", "gasket"]

    def weight(n, term):
        return (1 + math.log(n)) * (1 + math.log(6 / (1 + in_items[term]))) if n else 0.0

    vectors = np.array([[weight(count[term], term) for term in terms] for count in counts])
    expected = _scores(vectors, written.train.tolist(), 5, k=3, amplification=2.0)
    assert expected.any()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_encoder_equals_loops(dataset):
    vectors = np.asarray(dataset.text_features("lsa", "items"), np.float64)
    scorer = EncoderKnn(k=5, amplification=0.5).fit(dataset, 0)
    found = small.scores(scorer, range(dataset.n_users))
    expected = _scores(vectors, dataset.train.tolist(), dataset.n_users, k=5, amplification=0.5)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_texts_without_common_words(written, monkeypatch):
    monkeypatch.setattr(text_knn, "item_documents", lambda data: ["one", "two", "", "four", ""])
    with pytest.raises(DataError, match="share no words for TF-IDF"):
        TfidfKnn().fit(written, 0)
