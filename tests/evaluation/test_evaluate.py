import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.evaluation.evaluate import evaluate

from . import folders
from .folders import lookup

KS = (2, 5)


def _scores(data):
    return np.random.default_rng(0).standard_normal((data.n_users, data.n_items), np.float32)


def _pairs_by_user(pairs):
    items = {}
    for user, item in pairs.tolist():
        items.setdefault(user, set()).add(item)
    return items


@pytest.mark.parametrize("split", ["valid", "test"])
def test_equals_a_loop_over_users(split):
    data = folders.random_dataset()
    scores = _scores(data)
    found = evaluate(lookup, scores, data, split, ks=KS)
    seen = _pairs_by_user(data.train)
    if split == "test":
        for user, items in _pairs_by_user(data.valid).items():
            seen[user] = seen.get(user, set()) | items
    held_out = _pairs_by_user(data.interactions(split))
    assert found.users.tolist() == sorted(held_out)
    assert 0 < len(held_out) < data.n_users  # someone has nothing held out
    assert 3 in held_out and 3 not in _pairs_by_user(data.train)  # someone has no training item
    sums = {}
    for row, user in enumerate(found.users.tolist()):
        ranked = folders.rank(scores[user].tolist(), seen.get(user, set()), max(KS))
        assert found.recommended[row].tolist() == ranked
        for k in KS:
            for name, value in folders.user_metrics(ranked, held_out[user], k).items():
                assert found.per_user[f"{name}@{k}"][row] == pytest.approx(value, abs=1e-12)
                sums[f"{name}@{k}"] = sums.get(f"{name}@{k}", 0.0) + value
    for name, total in sums.items():
        assert found.metrics[name] == pytest.approx(total / len(held_out), abs=1e-12)


@pytest.mark.parametrize(("split", "known"), [("valid", ["train"]), ("test", ["train", "valid"])])
def test_known_items_are_never_recommended(split, known):
    data = folders.random_dataset()
    scores = _scores(data)
    for name in known:  # a model that has learned by heart
        scores[tuple(data.interactions(name).T)] = 100.0
    found = evaluate(lookup, scores, data, split, ks=(data.n_items,))
    recommended = {
        (user, item)
        for user, items in zip(found.users.tolist(), found.recommended.tolist(), strict=True)
        for item in items
    }
    for name in known:
        assert not recommended & set(map(tuple, data.interactions(name).tolist()))
    held_out = set(map(tuple, data.interactions(split).tolist()))
    assert held_out <= recommended
    assert found.metrics[f"recall@{data.n_items}"] == 1.0


def test_valid_ignores_the_test_split():
    data = folders.random_dataset()
    scores = _scores(data)
    without = folders.dataset(
        data.train.tolist(), data.valid.tolist(), [], data.n_users, data.n_items
    )
    assert evaluate(lookup, scores, data, "valid", ks=KS).metrics == (
        evaluate(lookup, scores, without, "valid", ks=KS).metrics
    )


def test_every_metric_has_a_mean():
    data = folders.random_dataset()
    found = evaluate(lookup, _scores(data), data, "test")
    of_users = {"ndcg", "recall", "precision", "hit_rate", "mrr", "map", "popularity"}
    of_all = {"coverage", "gini"}
    ks = (5, 10, 20, 50)
    assert set(found.per_user) == {f"{name}@{k}" for name in of_users for k in ks}
    assert set(found.metrics) == {f"{name}@{k}" for name in of_users | of_all for k in ks}
    assert all(values.shape == found.users.shape for values in found.per_user.values())
    # 50 ranks, 23 items: what is left is empty, and recall is complete.
    assert found.recommended.shape[1] == 50
    assert (found.recommended[:, 23:] == -1).all()
    assert found.metrics["recall@50"] == 1.0


def test_a_split_without_interactions_is_an_error():
    data = folders.dataset([(0, 0)], [], [(0, 1)], n_users=1, n_items=2)
    with pytest.raises(DataError, match=r"valid\.npy has no interactions.* --valid_share"):
        evaluate(lookup, _scores(data), data, "valid")


def test_the_training_split_cannot_be_evaluated():
    data = folders.random_dataset()
    with pytest.raises(ValueError, match="split is 'train', must be one of valid, test"):
        evaluate(lookup, _scores(data), data, "train")
