import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.baselines import step_training
from symcere_jax.baselines.base import training_histories
from symcere_jax.baselines.graph_models import LightGcn
from symcere_jax.baselines.graph_training import sample_triplets, unknown_item
from symcere_jax.errors import DataError, SymcereError
from tests.baselines import small

MODEL = LightGcn(embedding_dim=4, n_layers=1, batch_size=64, learning_rate=0.05)


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch):
    monkeypatch.setattr(step_training, "MAX_ROUNDS", 2)


def test_unknown_items_by_rank():
    histories = training_histories(small.dataset())
    expected = [
        (user, rank, item)
        for user in range(small.N_USERS)
        for rank, item in enumerate(sorted(set(range(small.N_ITEMS)) - small.history(user)))
    ]
    users, ranks, items = np.array(expected).T
    found = jax.jit(unknown_item)(histories, users, ranks)
    np.testing.assert_array_equal(found, items)


def test_batches_are_training_pairs_and_unknown_items():
    inputs = small.inputs()
    batch = jax.jit(sample_triplets, static_argnums=1)(inputs, 4000, jax.random.key(0))
    pairs = list(zip(batch.users.tolist(), batch.positives.tolist(), strict=True))
    assert set(pairs) == set(small.TRAIN)
    assert batch.keep.all()
    counts = np.zeros((small.N_USERS, small.N_ITEMS))
    for user, negative in zip(batch.users.tolist(), batch.negatives.tolist(), strict=True):
        counts[user, negative] += 1
    for user in range(small.N_USERS):
        unknown = [item for item in range(small.N_ITEMS) if item not in small.history(user)]
        assert not counts[user, sorted(small.history(user))].any()
        expected = counts[user].sum() / len(unknown)
        # Six standard deviations of a binomial count.
        assert (np.abs(counts[user, unknown] - expected) <= 6 * np.sqrt(expected)).all()


def test_a_user_of_all_items_has_no_negative():
    train = [(0, 0), (0, 1), (0, 2), (1, 0)]
    data = small.dataset(train, [(1, 1)], [], n_users=2, n_items=3)
    inputs = LightGcn().inputs(data)
    batch = jax.jit(sample_triplets, static_argnums=1)(inputs, 200, jax.random.key(0))
    np.testing.assert_array_equal(batch.keep, batch.users == 1)
    assert (batch.negatives < 3).all()


def test_training_repeats_bit_for_bit():
    first, second, other = (MODEL.fit(small.dataset(), seed).params for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.users, second.users)
    assert not np.array_equal(first.users, other.users)


def test_the_best_round_is_kept(monkeypatch):
    scores = iter([0.1, 0.3, 0.2, 0.3, 0.2])
    seen = []

    @dataclasses.dataclass
    class Found:
        metrics: dict

    def evaluate(score_block, params, dataset, split, ks):
        assert (split, ks) == ("valid", (10,))
        seen.append(params)
        return Found({"ndcg@10": next(scores)})

    monkeypatch.setattr(step_training, "evaluate", evaluate)
    monkeypatch.setattr(step_training, "MAX_ROUNDS", 9)
    monkeypatch.setattr(step_training, "PATIENCE", 3)
    kept = MODEL.fit(small.dataset(), 0).params
    assert len(seen) == 5  # three rounds after the second one without a gain
    np.testing.assert_array_equal(kept.items, seen[1].items)
    assert not np.array_equal(kept.items, seen[4].items)


def test_a_round_is_whole_epochs(monkeypatch):
    steps = []

    def run_steps(model, n_steps, state, *rest):
        steps.append(n_steps)
        return state, jnp.float32(0)

    monkeypatch.setattr(step_training, "_run_steps", run_steps)
    monkeypatch.setattr(step_training, "MAX_ROUNDS", 1)
    for batch_size in (2, 100):  # of 21 interactions: 11 steps an epoch, one step
        dataclasses.replace(MODEL, batch_size=batch_size).fit(small.dataset(), 0)
    assert steps == [55, 50]


class Diverging(LightGcn):
    def loss(self, params, inputs, batch, key):
        return params["embedding"].sum() * jnp.nan


def test_a_loss_that_is_not_finite():
    with pytest.raises(SymcereError, match="the loss is not finite in round 1"):
        Diverging(embedding_dim=4).fit(small.dataset(), 0)


def test_without_validation_data():
    with pytest.raises(DataError, match=r"valid\.npy has no interactions"):
        MODEL.fit(small.dataset(valid=[]), 0)
