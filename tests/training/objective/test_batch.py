import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.training.objective import loss_terms
from symcere_jax.training.objective.batch import Batch, ItemCycle
from tests.training import problem


def _stretches(n_drawn: int, n_micro_batches: int, seed: int) -> tuple[ItemCycle, tuple]:
    cycle = ItemCycle.draw(problem.N_ITEMS, jax.random.key(seed))
    return cycle, cycle.stretches(n_micro_batches, n_drawn)


@settings(max_examples=10, deadline=None)
@given(
    n_drawn=st.integers(1, problem.N_ITEMS - 1),
    n_micro_batches=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_candidates_are_drawn_without_repeats_and_evenly(n_drawn, n_micro_batches, seed):
    cycle, (candidates, first) = _stretches(n_drawn, n_micro_batches, seed)
    drawn = np.asarray(candidates).reshape(n_micro_batches, -1)
    assert drawn.shape[1] == n_drawn
    assert all(len(set(row)) == n_drawn for row in drawn.tolist())
    times = np.bincount(drawn.ravel(), minlength=problem.N_ITEMS)
    assert len(times) == problem.N_ITEMS
    assert times.max() - times.min() <= 1
    np.testing.assert_array_equal(cycle.places[drawn[:, 0]], first)
    np.testing.assert_array_equal(cycle.items[cycle.places], np.arange(problem.N_ITEMS))


def test_each_key_draws_another_cycle():
    cycles = {tuple(_stretches(3, 1, seed)[0].items.tolist()) for seed in range(20)}
    assert len(cycles) > 10
    assert {tuple(sorted(cycle)) for cycle in cycles} == {tuple(range(problem.N_ITEMS))}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"candidates": "catalog"}, loss_terms.CatalogRanking),
        ({"candidates": "in_batch"}, loss_terms.InBatchRanking),
        ({"candidates": "sampled", "ranking_loss": "bpr"}, loss_terms.BprRanking),
        ({"candidates": "sampled", "sampled_candidates": 4}, loss_terms.SampledRanking),
        # All items would be drawn.
        (
            {"candidates": "sampled", "sampled_candidates": problem.N_ITEMS},
            loss_terms.CatalogRanking,
        ),
    ],
    ids=str,
)
def test_candidates_decide_the_ranking_term(settings, kind):
    _, ranking = problem.objective(problem.resolved(**settings)).terms["ranking"]
    assert type(ranking) is kind


def test_the_first_interactions_of_each_micro_batch_are_compared():
    rows = np.arange(8)
    batch = Batch.draw(problem.inputs(), rows, jax.random.key(0), n_compared=3, n_micro_batches=2)
    assert batch.compared.tolist() == [0, 1, 2, 4, 5, 6]
