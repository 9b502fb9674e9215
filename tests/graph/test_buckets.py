import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.graph.buckets import (
    BUCKET_COST,
    MAX_ROW,
    UNROLL,
    BucketedAdjacency,
    _choose_widths,
    build_buckets,
)

from .graphs import Case, cases, random_case, skewed_case, star


def layout(case: Case) -> BucketedAdjacency:
    graph = case.graph()
    return jax.device_get(build_buckets(graph.senders, graph.receivers, case.n_nodes))


def neighbor_sums(buckets: BucketedAdjacency, states: np.ndarray) -> np.ndarray:
    """What the buckets are for, in plain loops: float64 `[n_nodes, d]`."""
    of_slot = np.zeros((len(buckets.node_of_slot), states.shape[1]))
    owned = buckets.node_of_slot < len(states)
    of_slot[owned] = states[buckets.node_of_slot[owned]]
    sums = np.zeros_like(of_slot)
    slot = 0
    for level, level_buckets in enumerate(buckets.levels):
        for bucket in level_buckets:
            source = of_slot if level == 0 else sums.copy()
            rows = bucket.shape[2]
            for row in range(rows):
                sums[slot + row] = source[bucket[:, :, row].ravel()].sum(axis=0)
            slot += rows
    assert slot == len(sums)
    return sums[buckets.slot_of_node]


def check_sums(case: Case) -> None:
    states = case.states(2).astype(np.float64)
    expected = (case.dense() > 0) @ states
    np.testing.assert_allclose(neighbor_sums(layout(case), states), expected, atol=1e-9)


@settings(max_examples=30)
@given(cases())
def test_sums_are_those_over_neighbors(case: Case):
    check_sums(case)


@pytest.mark.parametrize("degree", [1, 2, UNROLL, MAX_ROW, MAX_ROW + 1, 3 * MAX_ROW])
def test_sums_of_a_star(degree):
    check_sums(star(degree))


def test_sums_over_three_levels():
    case = skewed_case()
    assert len(layout(case).levels) == 3
    check_sums(case)


@settings(max_examples=30)
@given(cases())
def test_slots_and_nodes_are_inverse(case: Case):
    buckets = layout(case)
    nodes = np.arange(case.n_nodes)
    np.testing.assert_array_equal(buckets.node_of_slot[buckets.slot_of_node], nodes)
    assert (buckets.node_of_slot < case.n_nodes).sum() == case.n_nodes


@settings(max_examples=30)
@given(cases())
def test_no_row_is_wider_than_the_limit(case: Case):
    for level in layout(case).levels:
        for steps, unroll, _ in (bucket.shape for bucket in level):
            assert unroll <= UNROLL
            assert steps * unroll <= MAX_ROW


def test_padding_of_a_power_law_graph_is_small_with_few_buckets():
    case = random_case(2000, 800, 0.01)
    buckets = [bucket for level in layout(case).levels for bucket in level if bucket.size]
    n_edges = 2 * len(case.interactions)
    assert sum(bucket.size for bucket in buckets) < 1.3 * n_edges
    assert len(buckets) <= 16


def test_one_hub_does_not_widen_the_rows_of_others():
    n_users = 3000
    hub = np.stack([np.arange(n_users), np.zeros(n_users, int)], axis=1)
    pairs = np.stack([np.arange(n_users), np.arange(n_users) % 1000 + 1], axis=1)
    case = Case(np.concatenate([hub, pairs]).astype(np.int32), n_users, 1001)
    gathered = sum(bucket.size for level in layout(case).levels for bucket in level)
    assert gathered < 1.3 * 2 * len(case.interactions)


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=30), st.sampled_from([0.0, 1.0, 10.0, 1e4])
)
def test_widths_are_optimal(lengths, bucket_cost):
    """No choice of bounds costs less: all of them are tried."""
    array = np.array(lengths)

    def width(length):
        return length if length == 1 else -(-length // 2) * 2  # two steps

    def cost(bounds):
        rows = np.searchsorted(bounds, array)
        return sum(width(bounds[row]) for row in rows) + bucket_cost * len(bounds)

    present = np.unique(array)
    inner, last = present[:-1], present[-1:]
    choices = [
        np.concatenate([inner[[bool(mask >> bit & 1) for bit in range(len(inner))]], last])
        for mask in range(2 ** len(inner))
    ]
    chosen = _choose_widths(array, bucket_cost)
    assert (np.diff(chosen) <= 0).all()
    assert chosen[0] == width(last[0])
    ascending = chosen[::-1]
    reached = ascending[np.searchsorted(ascending, array)].sum() + bucket_cost * len(chosen)
    assert reached == pytest.approx(min(map(cost, choices)))


def test_empty_rows_have_width_0():
    assert _choose_widths(np.array([0, 3, 0]), 1.0)[-1] == 0
    assert _choose_widths(np.array([0, 0]), BUCKET_COST).tolist() == [0]
