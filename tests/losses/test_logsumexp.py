import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.losses import ExcludedCandidates, ItemLists, logsumexp

from . import oracles

# Compiled, as the training runs them.
masked_logsumexp = jax.jit(logsumexp.masked_logsumexp)


@functools.partial(jax.jit, static_argnames="block_size")
def blockwise_logsumexp(anchors, candidates, bias, excluded, *, block_size):
    """Of lists that are the rows of an array."""
    lists = ExcludedCandidates(ItemLists.from_rows(excluded))
    return logsumexp.blockwise_logsumexp(anchors, candidates, bias, lists, block_size=block_size)


def _case(n_anchors=7, n_candidates=23, width=5, n_excluded=4, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    anchors = rng.standard_normal((n_anchors, width)).astype(np.float32) * scale
    candidates = rng.standard_normal((n_candidates, width)).astype(np.float32) * scale
    bias = rng.standard_normal(n_candidates).astype(np.float32)
    # Some entries lie beyond the candidates: padding.
    excluded = rng.integers(0, n_candidates + 3, (n_anchors, n_excluded)).astype(np.int32)
    return anchors, candidates, bias, excluded


def _dense(anchors, candidates, bias, excluded):
    """The same by plain autodiff over the whole matrix of logits."""
    columns = jnp.arange(candidates.shape[0])
    keep = ~(excluded[:, :, None] == columns).any(axis=1)
    return jax.nn.logsumexp(anchors @ candidates.T + bias, axis=1, where=keep)


def _gradients(function, case, weights):
    anchors, candidates, bias, excluded = case
    total = jax.jit(jax.grad(lambda *x: (weights * function(*x, excluded)).sum(), (0, 1, 2)))
    return total(anchors, candidates, bias)


@pytest.mark.parametrize("block_size", [1, 4, 22, 23, 100])
def test_matches_a_float64_loop_and_gradients_of_the_dense_form(block_size):
    case = _case()
    blockwise = functools.partial(blockwise_logsumexp, block_size=block_size)
    result = blockwise(*case)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, oracles.blockwise_logsumexp(*case), rtol=1e-5)
    anchors, candidates, bias, excluded = case
    np.testing.assert_array_equal(
        blockwise(anchors, candidates, None, excluded),
        blockwise(anchors, candidates, np.zeros_like(bias), excluded),
    )
    weights = np.linspace(-1.0, 2.0, len(anchors), dtype=np.float32)
    gradients = _gradients(blockwise, case, weights), _gradients(_dense, case, weights)
    for ours, dense in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, dense, rtol=1e-4, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    n_candidates=st.sampled_from([1, 12]),
    n_excluded=st.sampled_from([0, 6]),
    block_size=st.sampled_from([3, 8, 12]),
    seed=st.integers(0, 1000),
)
def test_any_block_size_gives_the_loop_s_values(n_candidates, n_excluded, block_size, seed):
    case = _case(3, n_candidates, 3, n_excluded, seed)
    result = blockwise_logsumexp(*case, block_size=block_size)
    np.testing.assert_allclose(result, oracles.blockwise_logsumexp(*case), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block_size", [4, 64])
def test_excluded_candidates_get_no_probability_and_no_gradient(block_size):
    anchors, candidates, bias, _ = _case(n_anchors=1)
    excluded = np.array([[3, 3, 17, 99]], np.int32)  # a repeat and padding
    gradient = jax.grad(
        lambda bias: blockwise_logsumexp(
            anchors, candidates, bias, excluded, block_size=block_size
        ).sum()
    )(jnp.asarray(bias))
    # The gradient with respect to the bias is the softmax.
    assert set(np.flatnonzero(np.asarray(gradient) == 0.0)) == {3, 17}
    np.testing.assert_allclose(gradient.sum(), 1.0, rtol=1e-5)


@pytest.mark.parametrize("padding", [23, 24, 2**31 - 1, -1, -23])
@pytest.mark.parametrize("block_size", [4, 64])
def test_padding_excludes_nothing(padding, block_size):
    anchors, candidates, bias, _ = _case()
    none = np.zeros((len(anchors), 0), np.int32)
    padded = np.full((len(anchors), 3), padding, np.int32)
    np.testing.assert_array_equal(
        blockwise_logsumexp(anchors, candidates, bias, padded, block_size=block_size),
        blockwise_logsumexp(anchors, candidates, bias, none, block_size=block_size),
    )


@pytest.mark.parametrize("block_size", [3, 64])
def test_an_anchor_with_nothing_left_is_minus_infinity_without_gradient(block_size):
    case = _case(n_anchors=3, n_candidates=8, n_excluded=8)
    case[3][1] = np.arange(8)
    result = np.asarray(blockwise_logsumexp(*case, block_size=block_size))
    assert np.isneginf(result[1])
    assert np.isfinite(result[[0, 2]]).all()
    gradients = _gradients(
        lambda *x: blockwise_logsumexp(*x, block_size=block_size), case, np.float32([0, 1, 0])
    )
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("block_size", [4, 64])
def test_large_magnitudes_stay_finite(block_size):
    case = _case(scale=1e4)
    result = blockwise_logsumexp(*case, block_size=block_size)
    np.testing.assert_allclose(result, oracles.blockwise_logsumexp(*case), rtol=1e-5)
    gradients = _gradients(
        lambda *x: blockwise_logsumexp(*x, block_size=block_size), case, np.ones(7, np.float32)
    )
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("block_size", [4, 64])
def test_bfloat16_input_is_computed_in_float32(block_size):
    anchors, candidates, bias, excluded = _case(width=64)
    low = [jnp.asarray(x, jnp.bfloat16) for x in (anchors, candidates, bias)]
    rounded = [np.asarray(x.astype(jnp.float32)) for x in low]
    result = blockwise_logsumexp(*low, excluded, block_size=block_size)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, oracles.blockwise_logsumexp(*rounded, excluded), rtol=1e-5)
    gradients = _gradients(
        lambda *x: blockwise_logsumexp(*x, block_size=block_size),
        (*low, excluded),
        np.ones(7, np.float32),
    )
    assert all(gradient.dtype == jnp.bfloat16 for gradient in gradients)


def test_the_backward_pass_never_holds_all_logits():
    n_anchors, n_candidates, block_size = 32, 4096, 128
    case = _case(n_anchors, n_candidates, 8)

    def memory(function):
        gradient = jax.jit(lambda *x: _gradients(function, x, 1.0))
        return gradient.lower(*case).compile().memory_analysis().temp_size_in_bytes

    all_logits = 4 * n_anchors * n_candidates
    assert memory(_dense) >= all_logits
    assert memory(functools.partial(blockwise_logsumexp, block_size=block_size)) < all_logits


def test_masked_logsumexp_of_rows_with_and_without_kept_logits():
    inf = np.inf
    logits = np.float32([[1e10, -1e10, 0], [1, 2, 3], [-inf, 1, 2], [-inf, 1, 2]])
    keep = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 0], [1, 0, 0]], bool)
    np.testing.assert_allclose(masked_logsumexp(logits, keep), [0.0, -inf, 1.0, -inf])
    gradient = jax.vmap(jax.grad(lambda row, keep: masked_logsumexp(row[None], keep[None])[0]))
    np.testing.assert_allclose(gradient(logits, keep), [[0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]])
