import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from symcere_jax.text.vocabulary import count_terms

WORDS = np.array([f"word{n}" for n in range(40)])


def documents(n: int, seed: int = 0) -> list[str]:
    """Documents of which the first words are the most frequent."""
    rng = np.random.default_rng(seed)
    places = (40 * rng.random((n, 12)) ** 2).astype(int)
    return [" ".join(words) for words in WORDS[places]]


def count(texts: list[str], batch: int, **settings):
    batches = [texts[start : start + batch] for start in range(0, len(texts), batch)]
    defaults = {"min_documents": 2, "max_document_share": 0.9, "max_terms": 10**6}
    return count_terms(batches, CountVectorizer(ngram_range=(1, 2)), **(defaults | settings))


@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize("limits", [(1, 1.0, 10**6), (3, 0.5, 10**6), (2, 0.8, 25)])
def test_equals_counting_all_at_once(batch, limits):
    texts = documents(60)
    least, share, most = limits
    whole = CountVectorizer(ngram_range=(1, 2), min_df=least, max_df=share, max_features=most)
    expected = (whole.fit_transform(texts) > 0).sum(axis=0)
    found = count(texts, batch, min_documents=least, max_document_share=share, max_terms=most)
    if most > 1000:
        assert found.terms == whole.get_feature_names_out().tolist()
        np.testing.assert_array_equal(found.document_counts, np.asarray(expected).ravel())
    else:  # among equally frequent terms, either may be kept
        assert len(found.terms) == most
        assert len(set(found.terms) ^ set(whole.get_feature_names_out())) <= 6
    assert found.terms == sorted(found.terms)
    assert found.n_documents == 60


def test_when_rare_terms_are_forgotten_the_frequent_stay():
    texts = documents(400)
    exact = count(texts, 1000, max_terms=12)
    bounded = count(texts, 20, max_terms=12)  # there are hundreds of pairs of words
    assert len(set(exact.terms) & set(bounded.terms)) >= 11
    by_term = dict(zip(exact.terms, exact.document_counts.tolist(), strict=True))
    for term, n in zip(bounded.terms, bounded.document_counts.tolist(), strict=True):
        assert n <= by_term.get(term, n)


@pytest.mark.parametrize("texts", [[], ["", "!"], ["alpha", "beta"]])
def test_nothing_to_keep(texts):
    with pytest.raises(ValueError, match=r"empty vocabulary|no term occurs"):
        count(texts, 1)
