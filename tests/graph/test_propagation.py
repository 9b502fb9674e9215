import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.graph import build_adjacency, propagate, propagate_walks

from .graphs import Case, cases, random_case, skewed_case, star

METHODS = ("bucketed", "segment")
both_methods = pytest.mark.parametrize("method", METHODS)


def check_forward_and_gradient(case: Case, method: str, n_layers: int, atol: float = 1e-5) -> None:
    adjacency = build_adjacency(case.graph(), method)
    x, target = case.states(3), case.states(3, seed=1)
    matrix = case.propagation_matrix(n_layers)

    def loss(x):
        return 0.5 * jnp.sum((propagate(adjacency, x, n_layers) - target) ** 2)

    expected = matrix @ x.astype(np.float64)
    np.testing.assert_allclose(propagate(adjacency, x, n_layers), expected, atol=atol)
    gradient = matrix.T @ (expected - target)
    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(x)), gradient, atol=atol)


@both_methods
@settings(max_examples=6)
@given(case=cases(), n_layers=st.integers(0, 4))
def test_equals_the_dense_oracle_forward_and_backward(method, case, n_layers):
    check_forward_and_gradient(case, method, n_layers)


@both_methods
@settings(max_examples=6)
@given(case=cases(), n_layers=st.integers(1, 4))
def test_walks_equal_the_dense_oracle_forward_and_backward(method, case, n_layers):
    adjacency, x = build_adjacency(case.graph(), method), case.states(3)
    matrices = case.propagation_matrix(n_layers), case.walks_matrix(n_layers)
    outputs, pullback = jax.vjp(lambda x: propagate_walks(adjacency, x, n_layers), jnp.asarray(x))
    for output, matrix in zip(outputs, matrices, strict=True):
        np.testing.assert_allclose(output, matrix @ x, atol=2e-5)
    cotangents = case.states(3, seed=1), case.states(3, seed=2)
    # Of each output alone, and of both.
    for on in [(1, 0), (0, 1), (1, 1)]:
        weighted = [scale * cotangent for scale, cotangent in zip(on, cotangents, strict=True)]
        (found,) = pullback(tuple(map(jnp.asarray, weighted)))
        expected = sum(matrix.T @ side for matrix, side in zip(matrices, weighted, strict=True))
        np.testing.assert_allclose(found, expected, atol=2e-5)


@both_methods
def test_an_edge_taken_out_of_the_walks_is_as_if_no_walk_began_with_it(method):
    case, n_layers = random_case(9, 8, 0.3), 3
    x = case.states(2)
    fused, walks = propagate_walks(build_adjacency(case.graph(), method), x, n_layers)
    adjacency = case.dense()
    # Of a user and of an item.
    edges = np.argwhere(adjacency)
    for receiver, sender in edges[[0, -1]]:
        without = adjacency.copy()
        without[receiver, sender] = 0
        left = x.astype(np.float64)
        for hop in range(n_layers):  # the first step of a walk is the last to be taken
            left = left + without @ np.linalg.matrix_power(adjacency, hop) @ x
        brought = adjacency[receiver, sender] * walks[sender]
        found = fused[receiver] - brought / (n_layers + 1)
        np.testing.assert_allclose(found, left[receiver] / (n_layers + 1), atol=1e-5)


@both_methods
@pytest.mark.parametrize("case", [star(1), star(200)], ids=["pair", "star"])
def test_equals_the_dense_oracle_on_extreme_graphs(method, case):
    check_forward_and_gradient(case, method, 3)


# A plain float32 sum of 4,000 states, one after the other, is less exact than one of parts.
@pytest.mark.parametrize(("method", "atol"), [("bucketed", 1e-5), ("segment", 2e-4)])
def test_equals_a_sparse_oracle_across_all_levels_of_buckets(method, atol):
    case = skewed_case()
    users, items = case.interactions.T
    upper = scipy.sparse.coo_array(
        (np.ones(len(users)), (users, items + case.n_users)), shape=(case.n_nodes, case.n_nodes)
    ).tocsr()
    degree = (upper + upper.T).sum(axis=0)
    scale = scipy.sparse.diags_array(np.where(degree > 0, np.maximum(degree, 1) ** -0.5, 0))
    matrix = scale @ (upper + upper.T) @ scale

    def expected(states):
        hops = [states]
        for _ in range(3):
            hops.append(matrix @ hops[-1])
        return np.mean(hops, axis=0)

    adjacency = build_adjacency(case.graph(), method)
    x, cotangent = case.states(4), case.states(4, seed=1)
    result, pullback = jax.vjp(lambda x: propagate(adjacency, x, 3), jnp.asarray(x))
    np.testing.assert_allclose(result, expected(x), atol=atol)
    np.testing.assert_allclose(pullback(jnp.asarray(cotangent))[0], expected(cotangent), atol=atol)


@both_methods
def test_isolated_nodes_keep_their_share(method):
    case = Case(np.array([[0, 0]], np.int32), 3, 2)
    x, isolated = case.states(2), [1, 2, 4]
    result = np.asarray(propagate(build_adjacency(case.graph(), method), x, 3))
    np.testing.assert_allclose(result[isolated], x[isolated] / 4, rtol=1e-6)
    np.testing.assert_array_equal(propagate(build_adjacency(case.graph(), method), x, 0), x)
    empty = build_adjacency(Case(np.empty((0, 2), np.int32), 3, 2).graph(), method)
    np.testing.assert_allclose(propagate(empty, x, 1), x / 2, rtol=1e-6)
    assert empty.n_edges == 0


@both_methods
def test_bfloat16_is_summed_in_float32(method):
    # 999 ones and then small numbers: a bfloat16 sum would stay at 256.
    case = star(999)
    adjacency = build_adjacency(case.graph(), method)
    x = jnp.ones((case.n_nodes, 2), jnp.bfloat16)
    result = propagate(adjacency, x, 1)
    gradient = jax.grad(lambda x: propagate(adjacency, x, 1).astype(jnp.float32).sum())(x)
    assert result.dtype == gradient.dtype == jnp.bfloat16
    expected = case.propagation_matrix(1).sum(axis=1)
    for column in (result[:, 0], gradient[:, 0]):
        np.testing.assert_allclose(np.asarray(column, np.float64), expected, rtol=2**-8)


@both_methods
@pytest.mark.parametrize("n_layers", [1, 3, 5])
def test_bfloat16_rounds_no_more_than_once_a_layer(method, n_layers):
    case = random_case(60, 40, 0.2)
    x = jnp.abs(case.states(8)).astype(jnp.bfloat16)  # no sum cancels: errors stay relative
    found = propagate(build_adjacency(case.graph(), method), x, n_layers)
    expected = case.propagation_matrix(n_layers) @ np.asarray(x, np.float64)
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=(n_layers + 2) * 2**-8)


def test_bucketed_messages_of_bfloat16_are_read_as_such():
    case = random_case(60, 40, 0.2)
    adjacency = build_adjacency(case.graph())
    x = case.states(8)
    for dtype, other in ((jnp.bfloat16, "f32"), (jnp.float32, "bf16")):
        lowered = propagate.lower(adjacency, x.astype(dtype), 3).as_text()
        gathers = [line for line in lowered.splitlines() if '"stablehlo.gather"' in line]
        states = [line for line in gathers if f"x8x{other}>" in line.split(":")[-1]]
        assert gathers
        assert not states, f"states of {dtype} are gathered as {other}"


@both_methods
def test_float64_keeps_its_type(method):
    case = random_case(20, 10, 0.3)
    with jax.enable_x64(True):
        x = case.states(2).astype(np.float64)
        result = propagate(build_adjacency(case.graph(), method), jnp.asarray(x), 2)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, case.propagation_matrix(2) @ x, atol=1e-6)


@both_methods
def test_values_and_gradients_pass_through_transformations(method):
    case = random_case(30, 20, 0.2)
    adjacency = build_adjacency(case.graph(), method)
    x = jnp.stack([case.states(3, seed) for seed in range(2)])
    matrix = case.propagation_matrix(2)
    energies = ((matrix @ x) ** 2).sum(axis=(1, 2))
    slopes = np.einsum("nm,bmd->bnd", 2 * matrix @ matrix, x)

    def energy(adjacency, x):
        return (propagate(adjacency, x, 2) ** 2).sum()

    def scanned(adjacency, x):
        return jax.lax.scan(lambda total, x: (total + energy(adjacency, x), None), 0.0, x)[0]

    both = jax.value_and_grad(energy, argnums=1)
    for found, n in (
        (jax.jit(jax.vmap(both, in_axes=(None, 0)))(adjacency, x), 2),
        (jax.pmap(both, in_axes=(None, 0))(adjacency, x[:1]), 1),
    ):
        np.testing.assert_allclose(found[0], energies[:n], rtol=1e-5)
        np.testing.assert_allclose(found[1], slopes[:n], atol=1e-4)
    total, gradient = jax.jit(jax.value_and_grad(scanned, argnums=1))(adjacency, x)
    np.testing.assert_allclose(total, energies.sum(), rtol=1e-5)
    np.testing.assert_allclose(gradient, slopes, atol=1e-4)


def test_backward_pass_of_the_bucketed_method_has_no_scatter():
    case = random_case(200, 100, 0.1)
    x = jnp.asarray(case.states(4))

    def program(method):
        def loss(adjacency, x):
            fused, walks = propagate_walks(adjacency, x, 2)
            return (fused**2 + walks**3).sum()

        adjacency = build_adjacency(case.graph(), method)
        return jax.jit(jax.grad(loss, argnums=1)).lower(adjacency, x).as_text()

    assert "scatter" in program("segment")  # the search would find one
    assert "scatter" not in program("bucketed")


def test_adjacency_is_an_argument_of_the_compiled_program():
    case = random_case(200, 100, 0.1)
    adjacency = build_adjacency(case.graph())
    traces = []

    @jax.jit
    def step(adjacency, x):
        traces.append(1)
        return propagate(adjacency, x, 2)

    x = jnp.asarray(case.states(2))
    step(adjacency, x)
    step(jax.tree.map(jnp.copy, adjacency), x)
    assert len(traces) == 1
    n_arrays = len(jax.tree.leaves(adjacency))
    assert len(jax.tree.leaves(step.lower(adjacency, x).in_avals)) == n_arrays + 1


def test_padding_factor_and_sizes_are_reported():
    case = random_case(300, 100, 0.1)
    bucketed, segment = (build_adjacency(case.graph(), method) for method in METHODS)
    assert bucketed.n_nodes == segment.n_nodes == 400
    assert bucketed.n_edges == segment.n_edges == 2 * len(case.interactions)
    gathered = sum(bucket.size for level in bucketed.levels for bucket in level)
    assert bucketed.padding_factor == gathered / bucketed.n_edges
    assert 1 <= bucketed.padding_factor < 1.5
