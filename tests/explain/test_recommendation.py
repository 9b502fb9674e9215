import numpy as np
import pytest

from symcere_jax import Recommender
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.explain import Aligner, explain_recommendation
from symcere_jax.models import score_block
from symcere_jax.settings import LimeSettings

USER, ITEM = 7, 11
LIME = LimeSettings(samples=40, repeats=2)


@pytest.fixture(scope="module")
def explained(trained, dataset):
    return explain_recommendation(trained, dataset, USER, ITEM, n_reviews=2, lime=LIME)


def test_parts_add_up_to_the_score(explained, trained, dataset):
    score = float(score_block(trained.embeddings, np.array([USER]))[0, ITEM])
    assert explained.score == pytest.approx(score, rel=1e-5)
    total = sum(item.total for item in explained.history)
    assert total + explained.own + explained.popularity == pytest.approx(score, rel=1e-5)
    own_items = dataset.train[dataset.train[:, 0] == USER, 1]
    assert {item.item_id for item in explained.history} == set(dataset.item_ids()[own_items])
    sizes = [abs(item.total) for item in explained.history]
    assert sizes == sorted(sizes, reverse=True)


def test_it_agrees_with_the_recommender(explained, trained_run, dataset):
    recommender = Recommender.load(trained_run, dataset)
    parts = recommender.explain(explained.user_id, explained.item_id)
    shares = {item.item_id: item.total for item in explained.history}
    assert dict(parts.history) == pytest.approx(shares, rel=1e-5, abs=1e-6)
    assert (parts.own, parts.popularity) == pytest.approx((explained.own, explained.popularity))


def test_the_best_item_is_the_one_that_is_recommended(trained, trained_run, dataset):
    recommender = Recommender.load(trained_run, dataset)
    for user, [(item_id, _)] in enumerate(recommender.recommend(dataset.user_ids()[:10], k=1)):
        explained = explain_recommendation(trained, dataset, user, n_reviews=0)
        assert (explained.item_id, explained.rank) == (item_id, 1)
        assert explained.by_user == explained.about_item == []


def test_a_user_who_has_interacted_with_everything(trained, dataset, monkeypatch):
    everything = np.stack([np.full(dataset.n_items, USER), np.arange(dataset.n_items)], axis=1)
    halves = {"train": everything[::2], "valid": everything[1::2], "test": everything[:0]}
    monkeypatch.setattr(ReviewDataset, "interactions", lambda self, split: halves[split])
    with pytest.raises(DataError, match=r"user 'user-007' has interacted with every item"):
        explain_recommendation(trained, dataset, USER)


def test_words_of_the_nearest_training_reviews(explained, trained, dataset):
    aligner = Aligner.from_model("model", trained, dataset, "fused")
    table = dataset.reviews().to_pylist()
    for reviews, side, wanted, target in (
        (explained.by_user, "user", USER, aligner.items[ITEM]),
        (explained.about_item, "item", ITEM, aligner.users[USER]),
    ):
        rows = [
            row
            for row, review in enumerate(table)
            if review["split"] == "train" and review[side] == wanted
        ]
        cosines = aligner.embed([table[row]["text"] for row in rows]) @ target
        nearest = [rows[place] for place in np.argsort(-cosines, kind="stable")[:2]]
        assert [review.row for review in reviews] == nearest
        for review in reviews:
            assert review.words.text == table[review.row]["text"]
            assert review.user_id == dataset.user_ids()[table[review.row]["user"]]
            assert review.item_id == dataset.item_ids()[table[review.row]["item"]]
        assert reviews[0].words.score == pytest.approx(cosines.max(), abs=1e-5)
