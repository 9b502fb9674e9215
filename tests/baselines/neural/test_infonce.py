import jax
import numpy as np
import pytest

from symcere_jax.baselines.neural.infonce import distinct, infonce
from tests.baselines import small


@pytest.mark.parametrize("n_rows", [4, 6, 99])
@pytest.mark.parametrize("rows", [[3, 0, 3, 3, 1, 0], [2, 2, 2, 2, 2, 2], [0, 1, 2, 3, 0, 0]])
def test_distinct_rows(rows, n_rows):
    found, counts = jax.jit(distinct, static_argnums=1)(np.array(rows, np.int32), n_rows)
    assert found.shape == counts.shape == (min(6, n_rows),)
    assert found[counts].tolist() == sorted(set(rows))
    assert set(found.tolist()) == set(rows)  # the padding reads no row that was not asked for


@pytest.mark.parametrize("rows", [[5, 2, 5, 9], [1, 2, 3, 4], [7, 7, 7, 7]])
def test_equals_a_loop_over_pairs(rows):
    first, second = small.embedding(seed=1), small.embedding(seed=2)
    found, counts = distinct(np.array(rows), 16)
    loss = infonce(first[found], second[found], counts, 0.3)
    assert float(loss) == pytest.approx(small.infonce(first, second, rows, 0.3), abs=1e-5)


def test_one_distinct_row_has_nothing_to_learn():
    view, counts = small.embedding()[:3], np.array([True, False, False])
    loss, gradient = jax.jit(jax.value_and_grad(infonce))(view, view[::-1], counts, 0.1)
    assert float(loss) == 0
    assert not np.asarray(gradient).any()


def test_rows_that_do_not_count_have_no_gradient():
    first, second = small.embedding(seed=1)[:4], small.embedding(seed=2)[:4]
    counts = np.array([True, True, False, True])
    for argument in (0, 1):
        gradient = np.asarray(jax.jit(jax.grad(infonce, argument))(first, second, counts, 0.5))
        assert not gradient[2].any()
        assert (np.abs(gradient[counts]).sum(axis=1) > 1e-3).all()


def test_a_node_of_zeros_is_finite():
    first = np.zeros((3, 4), np.float32)
    loss, gradient = jax.jit(jax.value_and_grad(infonce))(first, first, np.ones(3, bool), 0.1)
    assert float(loss) == pytest.approx(np.log(3))
    assert np.isfinite(gradient).all()
