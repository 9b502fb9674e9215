import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.training.objective import loss_terms
from symcere_jax.training.objective.batch import Batch, draw_candidates
from tests.training import problem


@settings(max_examples=10, deadline=None)
@given(
    n_drawn=st.integers(1, problem.N_ITEMS - 1),
    n_micro_batches=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_candidates_are_drawn_without_repeats_and_evenly(n_drawn, n_micro_batches, seed):
    key = jax.random.key(seed)
    candidates, first, places = draw_candidates(problem.N_ITEMS, key, n_micro_batches, n_drawn)
    drawn = np.asarray(candidates).reshape(n_micro_batches, -1)
    assert drawn.shape[1] == n_drawn
    assert all(len(set(row)) == n_drawn for row in drawn.tolist())
    times = np.bincount(drawn.ravel(), minlength=problem.N_ITEMS)
    assert len(times) == problem.N_ITEMS
    assert times.max() - times.min() <= 1
    np.testing.assert_array_equal(places[drawn[:, 0]], first)
    assert sorted(places.tolist()) == list(range(problem.N_ITEMS))


def test_each_key_draws_another_cycle():
    keys = map(jax.random.key, range(20))
    cycles = {tuple(draw_candidates(problem.N_ITEMS, key, 1, 3)[2].tolist()) for key in keys}
    assert len(cycles) > 10


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
