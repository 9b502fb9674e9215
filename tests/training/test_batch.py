import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.training.batch import Batch, ItemCycle

from . import problem


def _draw(n_drawn: int, n_micro_batches: int, seed: int = 0) -> tuple[ItemCycle, Batch]:
    """A cycle of all items, and a batch whose candidates come from it."""
    loss = problem.config(candidates="sampled", sampled_candidates=n_drawn).loss
    key = jax.random.key(seed)
    cycle = ItemCycle.draw(loss, problem.N_ITEMS, key)
    assert cycle is not None
    batch = Batch.draw(loss, problem.inputs(), problem.BATCH, key, cycle, n_micro_batches)
    return cycle, batch


@settings(max_examples=25, deadline=None)
@given(
    n_drawn=st.integers(1, problem.N_ITEMS - 1),
    n_micro_batches=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_candidates_are_drawn_without_repeats_and_evenly(n_drawn, n_micro_batches, seed):
    cycle, batch = _draw(n_drawn, n_micro_batches, seed)
    drawn = np.asarray(batch.candidates).reshape(n_micro_batches, -1)
    assert drawn.shape[1] == n_drawn
    assert all(len(set(row)) == n_drawn for row in drawn.tolist())
    times = np.bincount(drawn.ravel(), minlength=problem.N_ITEMS)
    assert len(times) == problem.N_ITEMS
    assert times.max() - times.min() <= 1
    np.testing.assert_array_equal(cycle.places[drawn[:, 0]], batch.first_candidate)
    np.testing.assert_array_equal(cycle.items[cycle.places], np.arange(problem.N_ITEMS))


def test_each_key_draws_another_cycle():
    cycles = {tuple(_draw(3, 1, seed)[0].items.tolist()) for seed in range(20)}
    assert len(cycles) > 10
    assert {tuple(sorted(cycle)) for cycle in cycles} == {tuple(range(problem.N_ITEMS))}


@pytest.mark.parametrize(
    "config",
    [
        {"candidates": "catalog"},
        {"candidates": "in_batch"},
        {"candidates": "sampled", "ranking_loss": "bpr"},
        {"candidates": "sampled", "sampled_candidates": problem.N_ITEMS},
    ],
    ids=str,
)
def test_nothing_is_drawn_where_nothing_would_be_left_out(config):
    loss, key = problem.config(**config).loss, jax.random.key(0)
    assert ItemCycle.draw(loss, problem.N_ITEMS, key) is None
    batch = Batch.draw(loss, problem.inputs(), problem.BATCH, key)
    assert batch.candidates is None
    assert batch.first_candidate is None
