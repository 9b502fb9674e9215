import jax
import numpy as np
import pytest

from symcere_jax.graph import build_adjacency, propagate_walks
from symcere_jax.models import Columns
from symcere_jax.models.column_shard import AXIS
from tests.graph.graphs import random_case


@pytest.mark.parametrize("method", ["bucketed", "segment"])
def test_devices_share_the_work_and_read_whole_rows(method):
    """Of 5 columns on 4 devices, the third has one and the fourth none."""
    case, columns = random_case(30, 20, 0.2), Columns(5, 4)
    x, cotangents = case.states(5), (case.states(5, seed=1), case.states(5, seed=2))
    adjacency = build_adjacency(case.graph(), method)

    def step(number, x):
        own = columns.slice(x)
        outputs, pullback = jax.vjp(
            lambda own: tuple(map(columns.gather, propagate_walks(adjacency, own, 2))), own
        )
        # As in training: each device has its share of the loss.
        share = jax.tree.map(lambda c: c * (number + 1) / 10, cotangents)
        return outputs, columns.gather(pullback(share)[0]), own

    mapped = jax.jit(jax.vmap(step, (0, None), axis_name=AXIS))
    outputs, gradient, own = mapped(np.arange(4), x)
    assert own.shape == (4, 50, 2)
    np.testing.assert_array_equal(np.concatenate(own, axis=1)[:, :5], x)
    assert not own[3].any()
    matrices = case.propagation_matrix(2), case.walks_matrix(2)
    expected = sum(matrix.T @ side for matrix, side in zip(matrices, cotangents, strict=True))
    for device in range(4):
        for output, matrix in zip(outputs, matrices, strict=True):
            np.testing.assert_allclose(output[device], matrix @ x, atol=1e-5)
        np.testing.assert_allclose(gradient[device], expected, atol=1e-5)
