import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.training.batch import Batch

from . import problem


def _candidates(n_drawn: int, n_micro_batches: int, seed: int = 0, **config) -> jax.Array | None:
    sampled = {"candidates": "sampled", "sampled_candidates": n_drawn}
    loss = problem.config(**sampled | config).loss
    key = jax.random.key(seed)
    return Batch.draw(loss, problem.inputs(), problem.BATCH, key, n_micro_batches).candidates


@settings(max_examples=25, deadline=None)
@given(
    n_drawn=st.integers(1, problem.N_ITEMS - 1),
    n_micro_batches=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_candidates_are_drawn_without_repeats_and_evenly(n_drawn, n_micro_batches, seed):
    drawn = np.asarray(_candidates(n_drawn, n_micro_batches, seed)).reshape(n_micro_batches, -1)
    assert drawn.shape[1] == n_drawn
    assert all(len(set(row)) == n_drawn for row in drawn.tolist())
    times = np.bincount(drawn.ravel(), minlength=problem.N_ITEMS)
    assert len(times) == problem.N_ITEMS
    assert times.max() - times.min() <= 1


def test_each_key_draws_other_candidates():
    drawn = {tuple(np.asarray(_candidates(3, 1, seed)).tolist()) for seed in range(20)}
    assert len(drawn) > 10


@pytest.mark.parametrize(
    "config",
    [{"candidates": "catalog"}, {"candidates": "in_batch"}, {"ranking_loss": "bpr"}],
    ids=str,
)
def test_nothing_is_drawn_where_nothing_reads_it(config):
    assert _candidates(3, 2, **config) is None


def test_as_many_candidates_as_items_are_all_of_them():
    assert _candidates(problem.N_ITEMS, 2) is None
