import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from symcere_jax.evaluation.popularity import norm_popularity_correlation


def mean_ranks(values):
    """Ranks from 1; equal values share the mean of theirs."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def loop_correlation(norms, counts):
    a, b = mean_ranks(norms), mean_ranks(counts)
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    covariance = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    spread = sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)
    return covariance / math.sqrt(spread)


@given(
    norms=hnp.arrays(np.float64, 12, elements=st.integers(1, 6)),
    counts=hnp.arrays(np.int64, 12, elements=st.integers(0, 5)),
)
def test_equals_a_loop_over_ranks(norms, counts):
    embeddings = np.zeros((12, 3))
    embeddings[:, 1] = norms
    found = norm_popularity_correlation(embeddings, counts)
    if len(set(norms)) == 1 or len(set(counts)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(loop_correlation(norms.tolist(), counts.tolist()))


@pytest.mark.parametrize(("power", "expected"), [(2, 1.0), (-0.5, -1.0)])
def test_norms_that_follow_popularity(power, expected):
    rng = np.random.default_rng(1)
    counts = rng.permutation(np.arange(1, 21))
    directions = rng.standard_normal((20, 4))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    embeddings = np.float32(directions * counts[:, None] ** float(power))
    assert norm_popularity_correlation(embeddings, counts) == pytest.approx(expected)


def test_normalised_embeddings_have_no_correlation():
    embeddings = np.random.default_rng(2).standard_normal((50, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    assert np.ptp(np.linalg.norm(embeddings.astype(np.float64), axis=1)) > 0  # rounding
    assert math.isnan(norm_popularity_correlation(embeddings, np.arange(50)))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 embeddings and 4 counts"):
        norm_popularity_correlation(np.ones((3, 2)), np.ones(4))
