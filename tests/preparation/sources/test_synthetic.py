import numpy as np
import pytest

from symcere_jax.preparation.sources import synthetic_truth as synthetic
from symcere_jax.preparation.sources.synthetic_truth import (
    FACTUAL_WORDS,
    NEGATIVE_WORDS,
    POSITIVE_WORDS,
    SENTIMENT_WORDS,
)


@pytest.fixture(scope="module")
def reviews() -> synthetic.SyntheticReviews:
    return synthetic.generate(n_users=600, n_items=150, reviews_per_user=10, seed=1)


def test_shapes_and_ranges(reviews):
    n = len(reviews.user)
    assert n == pytest.approx(6000, rel=0.15)
    assert {len(reviews.item), len(reviews.rating), len(reviews.timestamp), len(reviews.text)} == {
        n
    }
    assert set(reviews.user) == set(range(600))
    assert 0 <= reviews.item.min() <= reviews.item.max() < 150
    assert set(reviews.rating) == {1, 2, 3, 4, 5}
    assert len(set(zip(reviews.user, reviews.item, strict=True))) == n


def test_equal_seeds_give_equal_reviews(reviews):
    again = synthetic.generate(n_users=600, n_items=150, reviews_per_user=10, seed=1)
    other = synthetic.generate(n_users=600, n_items=150, reviews_per_user=10, seed=2)
    assert reviews.text.equals(again.text)
    np.testing.assert_array_equal(reviews.item, again.item)
    assert not reviews.text.equals(other.text)


def test_factual_words_are_those_of_the_item(reviews):
    word_sets = [set(text.split()) for text in reviews.text.to_pylist()]
    for words, item in zip(word_sets, reviews.item, strict=True):
        attributes = {FACTUAL_WORDS[word] for word in np.flatnonzero(reviews.attributes[item])}
        assert words - set(SENTIMENT_WORDS) <= attributes
    assert not set(FACTUAL_WORDS) & set(SENTIMENT_WORDS)
    assert len(set(FACTUAL_WORDS)) == len(FACTUAL_WORDS) == reviews.attributes.shape[1]


def test_sentiment_follows_the_rating_and_not_the_item(reviews):
    positive = np.array(
        [
            np.mean([word in POSITIVE_WORDS for word in words if word in SENTIMENT_WORDS] or [0.5])
            for words in map(str.split, reviews.text.to_pylist())
        ]
    )
    by_rating = [positive[reviews.rating == rating].mean() for rating in range(1, 6)]
    assert by_rating == sorted(by_rating)
    assert by_rating[0] < 0.2 < 0.8 < by_rating[4]
    # Given the rating, the item explains no more of it than chance would.
    rest = positive - np.array(by_rating)[reviews.rating.astype(int) - 1]
    n_of_item = np.bincount(reviews.item, minlength=150)
    mean_of_item = np.bincount(reviews.item, rest, 150) / np.maximum(n_of_item, 1)
    z = mean_of_item * np.sqrt(n_of_item) / rest.std()
    assert z[n_of_item > 0].std() == pytest.approx(1, abs=0.2)
    assert set(NEGATIVE_WORDS) | set(POSITIVE_WORDS) == set(SENTIMENT_WORDS)


def test_users_choose_by_taste_and_by_popularity(reviews):
    affinity = reviews.taste @ reviews.attributes.T
    chosen = affinity[reviews.user, reviews.item] - affinity.mean(axis=1)[reviews.user]
    assert chosen.mean() > 0.5 * affinity.std()
    n_of_item = np.bincount(reviews.item, minlength=150)
    popular = np.argsort(-reviews.popularity)[:15]
    assert n_of_item[popular].sum() > 2 * 0.1 * len(reviews.item)
    assert np.corrcoef(chosen, reviews.rating)[0, 1] > 0.5


def test_each_item_has_words_of_its_own_category_and_one_more(reviews):
    assert (reviews.attributes.sum(axis=1) == 6).all()
    categories = [set(words.split()) for words in synthetic.CATEGORY_WORDS.values()]
    for attributes in reviews.attributes:
        words = {FACTUAL_WORDS[word] for word in np.flatnonzero(attributes)}
        assert max(len(words & category) for category in categories) >= 5


def test_the_smallest_size_and_more_reviews_than_items():
    tiny = synthetic.generate(n_users=1, n_items=1, reviews_per_user=1)
    assert (tiny.user.tolist(), tiny.item.tolist()) == ([0], [0])
    full = synthetic.generate(n_users=3, n_items=4, reviews_per_user=100)
    assert np.bincount(full.user).tolist() == [4, 4, 4]


def test_blocks_of_users_do_not_show(monkeypatch):
    monkeypatch.setattr(synthetic, "_BLOCK_SCORES", 40)
    blocked = synthetic.generate(n_users=30, n_items=20, reviews_per_user=4, seed=5)
    monkeypatch.undo()
    whole = synthetic.generate(n_users=30, n_items=20, reviews_per_user=4, seed=5)
    np.testing.assert_array_equal(blocked.user, whole.user)
    np.testing.assert_array_equal(blocked.item, whole.item)
    assert blocked.text.equals(whole.text)


def test_ids_sort_as_their_rows():
    names = synthetic.ids("item", 101).to_pylist()
    assert names == sorted(names)
    assert (names[0], names[-1]) == ("item-000", "item-100")
