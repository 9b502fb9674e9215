"""Which terms are kept, against scikit-learn, which counts all at once."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from symcere_jax.text.encoders import vocabulary
from symcere_jax.text.encoders.vocabulary import count_terms, term_counts
from symcere_jax.text.encoders.words import WordNumbers, split_words

WORDS = np.array([f"word{n}" for n in range(40)])


def documents(n: int, seed: int = 0) -> list[str]:
    """Documents of which the first words are the most frequent."""
    rng = np.random.default_rng(seed)
    places = (40 * rng.random((n, 12)) ** 2).astype(int)
    return [" ".join(words) for words in WORDS[places]]


def count(texts: list[str], batch: int, **settings):
    numbers = WordNumbers(10**6)
    batches = [numbers.learn(texts[start : start + batch]) for start in range(0, len(texts), batch)]
    defaults = {"min_documents": 2, "max_document_share": 0.9, "max_terms": 10**6}
    return count_terms(batches, numbers.names(), **(defaults | settings))


def test_terms_of_a_batch():
    numbers = WordNumbers(10)
    numbers.learn(["red brake tent"])
    texts = ["red brake red brake", "tent", "red x0 tent"]
    keys, document, n = term_counts(split_words(texts, numbers.known))
    red_brake, brake_red = 1 << 32 | 1, 2 << 32
    assert list(zip(keys.tolist(), document.tolist(), n.tolist(), strict=True)) == [
        (0, 0, 2),
        (0, 2, 1),
        (1, 0, 2),
        (2, 1, 1),
        (2, 2, 1),
        (red_brake, 0, 2),
        (brake_red, 0, 1),
    ]


@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize("limits", [(1, 1.0, 10**6), (3, 0.5, 10**6), (2, 0.8, 25)])
def test_equals_counting_all_at_once(batch, limits, monkeypatch):
    monkeypatch.setattr(vocabulary, "_LEAST_PENDING", 50)
    texts = documents(60)
    least, share, most = limits
    settings = {"min_df": least, "max_df": share, "ngram_range": (1, 2)}
    if most < 1000:
        monkeypatch.setattr(vocabulary, "SLACK", 100)  # so that nothing is forgotten
    whole = CountVectorizer(**settings)
    counts = whole.fit_transform(texts)
    names = whole.get_feature_names_out().tolist()
    occurrences = np.asarray(counts.sum(axis=0)).ravel()
    # The most frequent, of equally frequent ones the first by name.
    kept = sorted(sorted(range(len(names)), key=lambda row: (-occurrences[row], names[row]))[:most])
    found = count(texts, batch, min_documents=least, max_document_share=share, max_terms=most)
    assert found.terms == [names[row] for row in kept]
    in_documents = np.asarray((counts > 0).sum(axis=0)).ravel()
    np.testing.assert_array_equal(found.document_counts, in_documents[kept])
    assert found.n_documents == 60


def test_keys_lead_to_the_columns_of_their_terms():
    texts = documents(30)
    numbers = WordNumbers(10**6)
    batch = numbers.learn(texts)
    settings = {"min_documents": 1, "max_document_share": 1.0, "max_terms": 10**6}
    found = count_terms([batch], numbers.names(), **settings)
    vectorizer = CountVectorizer(ngram_range=(1, 2), vocabulary=found.terms)
    expected = vectorizer.transform(texts).toarray()
    keys, document, n = term_counts(batch)
    counts = np.zeros(expected.shape, int)
    counts[document, found.columns[np.searchsorted(found.keys, keys)]] = n
    np.testing.assert_array_equal(counts, expected)
    assert (np.diff(found.keys) > 0).all()


def test_when_rare_terms_are_forgotten_the_frequent_stay(monkeypatch):
    monkeypatch.setattr(vocabulary, "_LEAST_PENDING", 50)
    texts = documents(400)
    exact = count(texts, 1000, max_terms=12)
    bounded = count(texts, 20, max_terms=12)  # there are hundreds of pairs of words
    assert len(set(exact.terms) & set(bounded.terms)) >= 11
    by_term = dict(zip(exact.terms, exact.document_counts.tolist(), strict=True))
    for term, n in zip(bounded.terms, bounded.document_counts.tolist(), strict=True):
        assert n <= by_term.get(term, n)


def test_terms_that_are_often_in_few_documents_are_not_forgotten(monkeypatch):
    """What is forgotten goes by occurrences, as the final choice does, not by documents."""
    monkeypatch.setattr(vocabulary, "_LEAST_PENDING", 1)
    monkeypatch.setattr(vocabulary, "SLACK", 2)
    loud = "gasket " * 50
    # Each of many words is in more documents than the loud one, when these are first too many.
    texts = [loud, *(" ".join(f"w{n % 7}a{m}" for m in range(9)) for n in range(60)), loud]
    found = count(texts, 5, max_terms=4)
    assert "gasket" in found.terms
    assert found.document_counts[found.terms.index("gasket")] == 2
    counter = CountVectorizer(ngram_range=(1, 2), min_df=2, max_df=0.9, max_features=4)
    assert "gasket" in counter.fit(texts).get_feature_names_out()


def test_terms_with_a_word_that_was_forgotten_are_left_out():
    numbers = WordNumbers(100)
    batch = numbers.learn(["red brake", "red brake", "tent red"])
    names = numbers.names()
    del names[1]
    settings = {"min_documents": 1, "max_document_share": 1.0, "max_terms": 9}
    assert count_terms([batch], names, **settings).terms == ["red", "tent", "tent red"]


@pytest.mark.parametrize("texts", [[], ["", "!"], ["alpha", "beta"]])
def test_nothing_to_keep(texts):
    with pytest.raises(ValueError, match=r"empty vocabulary|no term occurs"):
        count(texts, 1)
