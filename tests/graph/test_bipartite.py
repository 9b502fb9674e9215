import numpy as np
import pytest
from hypothesis import given, settings

from symcere_jax.graph import bipartite_graph

from .graphs import Case, cases, random_case


@settings(max_examples=30)
@given(cases())
def test_weights_are_those_of_the_dense_definition(case: Case):
    graph = case.graph()
    dense = np.zeros((case.n_nodes, case.n_nodes))
    dense[graph.receivers, graph.senders] = graph.edges
    np.testing.assert_allclose(dense, case.dense(), rtol=1e-6)
    np.testing.assert_array_equal(dense, dense.T)
    assert np.isfinite(graph.edges).all()


@settings(max_examples=30)
@given(cases())
def test_edges_are_sorted_counted_and_of_the_stated_types(case: Case):
    graph = case.graph()
    n_edges = 2 * len(case.interactions)
    pairs = list(zip(graph.receivers, graph.senders, strict=True))
    assert pairs == sorted(pairs)
    assert graph.senders.shape == graph.receivers.shape == graph.edges.shape == (n_edges,)
    assert graph.senders.dtype == graph.receivers.dtype == np.int32
    assert graph.edges.dtype == np.float32
    assert (graph.n_node.tolist(), graph.n_edge.tolist()) == ([case.n_nodes], [n_edges])


def test_small_graph_by_hand():
    # User 0 has items 0 and 1, user 2 has item 1; user 1 and item 2 are isolated.
    graph = bipartite_graph(np.array([[2, 1], [0, 1], [0, 0]], np.int32), 3, 3)
    assert graph.receivers.tolist() == [0, 0, 2, 3, 4, 4]
    assert graph.senders.tolist() == [3, 4, 4, 0, 0, 2]
    half, root = 0.5, 0.5**0.5
    np.testing.assert_allclose(graph.edges, [root, half, root, root, half, root], rtol=1e-6)


def test_order_of_interactions_does_not_matter():
    case = random_case(20, 10, 0.3)
    graph, reversed_graph = case.graph(), bipartite_graph(case.interactions[::-1], 20, 10)
    np.testing.assert_array_equal(graph.senders, reversed_graph.senders)
    np.testing.assert_array_equal(graph.edges, reversed_graph.edges)


def test_pairs_beyond_the_range_of_int32_do_not_overflow():
    pairs = np.array([[99_999, 99_999], [99_998, 7]], np.int32)
    graph = bipartite_graph(pairs, 100_000, 100_000)
    assert graph.receivers.tolist() == [99_998, 99_999, 100_007, 199_999]
    assert graph.senders.tolist() == [100_007, 199_999, 99_998, 99_999]


@pytest.mark.parametrize(("n_users", "n_items"), [(0, 0), (3, 0), (0, 3), (3, 3)])
def test_no_interactions_give_a_graph_without_edges(n_users, n_items):
    graph = bipartite_graph(np.empty((0, 2), np.int32), n_users, n_items)
    assert graph.n_node.tolist() == [n_users + n_items]
    assert len(graph.edges) == 0
