"""Devices that share the columns of the embeddings."""

from pathlib import Path

import numpy as np

from symcere_jax.models import Columns
from symcere_jax.training.devices import ColumnShard

# Runs in a process of its own: the number of devices is fixed once JAX has started. Of 5 columns
# on 4 devices, the third has one and the fourth none.
SHARED = """
import sys
sys.path.insert(0, sys.argv[1])
import jax, numpy as np
from tests.graph.graphs import random_case
from symcere_jax.graph import build_adjacency, propagate_walks
from symcere_jax.training.devices import ColumnShard, map_devices

case, columns = random_case(30, 20, 0.2), ColumnShard(5, 4)
x, cotangents = case.states(5), (case.states(5, seed=1), case.states(5, seed=2))
for method in ("bucketed", "segment"):
    adjacency = build_adjacency(case.graph(), method)

    def step(_, adjacency, x):
        own = columns.slice(x)
        outputs, pullback = jax.vjp(
            lambda own: tuple(map(columns.gather, propagate_walks(adjacency, own, 2))), own
        )
        # As in training: each device has its share of the loss.
        share = jax.tree.map(lambda c: c * (jax.lax.axis_index("data") + 1) / 10, cotangents)
        return outputs, columns.gather(pullback(share)[0]), columns.sum((own**2).sum(axis=1)), own

    outputs, gradient, squares, own = map_devices(step, (0, None, None))(
        np.arange(4), adjacency, x
    )
    assert own.shape == (4, 50, 2)
    np.testing.assert_array_equal(np.concatenate(own, axis=1)[:, :5], x)
    assert not own[3].any()
    matrices = case.propagation_matrix(2), case.walks_matrix(2)
    expected = sum(matrix.T @ side for matrix, side in zip(matrices, cotangents))
    for device in range(4):
        for output, matrix in zip(outputs, matrices):
            np.testing.assert_allclose(output[device], matrix @ x, atol=1e-5)
        np.testing.assert_allclose(gradient[device], expected, atol=1e-5)
        np.testing.assert_allclose(squares[device], (x.astype(float) ** 2).sum(axis=1), rtol=1e-5)
print("equal")
"""


def test_devices_share_the_work_and_read_whole_rows(run_on_devices):
    assert run_on_devices(4, SHARED, Path(__file__).parents[2]) == "equal\n"


def test_one_device_has_all_columns():
    x = np.ones((3, 5), np.float32)
    for columns in (Columns(5), ColumnShard(5)):
        assert columns.share == 5
        assert columns.slice(x) is columns.gather(x) is columns.sum(x) is x
