import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.evaluation import evaluate
from symcere_jax.models import Embeddings, Share, mix, score_block
from symcere_jax.training import expert_weights
from symcere_jax.training.expert_weights import choose_weights
from tests.evaluation import folders

N_USERS, N_ITEMS = 150, 40


def noise(seed, n_users=N_USERS, n_items=N_ITEMS, dim=4):
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(n_users, dim)), rng.normal(size=(n_items, dim)), np.zeros(n_items)
    return Embeddings(*(jnp.asarray(part, jnp.float32) for part in parts))


@pytest.fixture(scope="module")
def taste():
    """What users like follows from two embeddings, each of which knows a half of it."""
    halves = noise(0), noise(1)
    truth = sum(np.asarray(score_block(half, np.arange(N_USERS))) for half in halves)
    order = np.argsort(-truth, axis=1)
    pairs = [[(u, order[u, rank]) for u in range(N_USERS)] for rank in range(6)]
    train = pairs[1] + pairs[3] + pairs[5]
    return folders.dataset(train, pairs[0] + pairs[4], pairs[2], N_USERS, N_ITEMS), *halves


def test_experts_that_complete_each_other_share_the_weight(taste):
    dataset, first, second = taste
    experts = {"noise": noise(7), "first": first, "second": second}
    weights = choose_weights(experts, dataset)
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["noise"] < 0.05
    assert weights["first"] == pytest.approx(0.5, abs=0.1)
    # On other interactions of these users, too, the sum is better than its parts.
    mixed = mix(experts, {name: Share(weight) for name, weight in weights.items()})
    scores = {
        name: evaluate(score_block, params, dataset, "test", ks=(10,)).metrics["ndcg@10"]
        for name, params in {"mixed": mixed, **experts}.items()
    }
    assert scores["mixed"] > max(scores["first"], scores["second"]) + 0.1


def test_of_equal_experts_the_first_wins(taste):
    dataset, first, _ = taste
    weights = choose_weights({"a": first, "b": first}, dataset)
    assert weights == pytest.approx({"a": 1.0, "b": 0.0})


@pytest.mark.parametrize("n_items", [4, 23])
def test_what_is_measured_is_the_ndcg_of_evaluation(n_items):
    dataset = folders.random_dataset(n_items=n_items)
    experts = {name: noise(seed, 37, n_items) for seed, name in enumerate("abc")}
    validation = expert_weights._Validation.of(experts, dataset)
    found = validation.ndcg_of_additions((2, 0, 1))
    for place, name in enumerate(experts):
        units = dict(zip(experts, (2.0, 0.0, 1.0), strict=True))
        units[name] += 1
        mixed = mix(experts, {each: Share(unit) for each, unit in units.items()})
        expected = evaluate(score_block, mixed, dataset, "valid", ks=(10,))
        np.testing.assert_array_equal(validation.users, expected.users)
        np.testing.assert_allclose(found[place], expected.per_user["ndcg@10"], atol=1e-9)


def test_of_many_users_some_are_drawn(taste, monkeypatch):
    dataset, first, second = taste
    monkeypatch.setattr(expert_weights, "MAX_SCORES", 2 * N_ITEMS * 70)
    experts = {"first": first, "second": second}
    users = expert_weights._Validation.of(experts, dataset).users
    assert len(users) == len(set(users)) == 70
    assert choose_weights(experts, dataset)["first"] == pytest.approx(0.5, abs=0.15)


def test_one_user_is_enough_to_choose(taste):
    dataset, first, _ = taste
    alone = dataclasses.replace(dataset, valid=dataset.valid[:1])
    assert sum(choose_weights({"a": noise(7), "b": first}, alone).values()) == pytest.approx(1)


def test_the_choice_can_be_stopped(taste):
    dataset, first, second = taste
    asked = iter([False] * 3 + [True])
    assert choose_weights({"a": first, "b": second}, dataset, lambda: next(asked)) is None
