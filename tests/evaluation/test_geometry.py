import math

import numpy as np
import pytest

from symcere_jax.evaluation import geometry
from symcere_jax.evaluation.geometry import (
    alignment,
    alignment_and_uniformity,
    norm_popularity_correlation,
    uniformity,
)


def unit(row):
    norm = math.sqrt(sum(x * x for x in row))
    return [x / norm for x in row] if norm else list(row)


def squared_distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(unit(a), unit(b), strict=True))


@pytest.fixture(scope="module")
def points():
    points = np.random.default_rng(0).standard_normal((7, 3))
    points[2] = 0  # a node that nothing is known of
    return points


def test_alignment_equals_a_loop(points):
    others = points[::-1] * 5  # norms do not matter
    expected = [squared_distance(a, b) for a, b in zip(points, others, strict=True)]
    assert alignment(points, others) == pytest.approx(sum(expected) / 7)
    assert alignment(points[:2], points[:2]) == 0
    assert alignment(points[:1], -points[:1]) == pytest.approx(4)


def test_uniformity_equals_a_loop(points):
    kernel = [
        math.exp(-2 * squared_distance(points[i], points[j]))
        for i in range(7)
        for j in range(7)
        if i != j
    ]
    assert uniformity(points) == pytest.approx(math.log(sum(kernel) / len(kernel)))
    assert uniformity(np.ones((5, 3))) == pytest.approx(0)
    assert uniformity(np.array([[1.0, 0], [-1, 0]])) == pytest.approx(-8)


def test_both_of_a_model(points):
    users, items = points[:4], points[3:]
    pairs = np.array([[0, 1], [3, 2]], np.int32)
    found = alignment_and_uniformity(users, items, pairs)
    assert found == {
        "alignment": pytest.approx(alignment(users[[0, 3]], items[[1, 2]])),
        "uniformity_users": pytest.approx(uniformity(users)),
        "uniformity_items": pytest.approx(uniformity(items)),
    }


def test_a_sample_is_spread_over_all_rows(monkeypatch):
    monkeypatch.setattr(geometry, "SAMPLE", 10)
    rows = np.arange(1, 101)[:, None] * [[1.0, 0.0]]
    rows[50:] = [0.0, 1.0]  # two directions, each of half of the rows
    found = alignment_and_uniformity(rows, rows, np.zeros((1, 2), int))
    assert found["uniformity_items"] == pytest.approx(math.log(4 / 9 + 5 / 9 * math.exp(-4)))


def test_what_is_not_defined_is_left_out(points):
    found = alignment_and_uniformity(points[:1], points, np.zeros((0, 2), int))
    assert set(found) == {"uniformity_items"}


def test_norms_and_popularity_by_hand():
    # Ranks of the norms 1, 2.5, 2.5, 4 and of the counts 2, 1, 4, 3: covariance 1.5.
    embeddings = np.array([[1.0, 0], [0, 3], [3, 0], [9, 0]])
    found = norm_popularity_correlation(embeddings, np.array([5, 0, 9, 7]))
    assert found == pytest.approx(1.5 / math.sqrt(4.5 * 5))
    assert math.isnan(norm_popularity_correlation(embeddings, np.ones(4)))


def test_normalized_embeddings_have_no_correlation():
    embeddings = np.random.default_rng(2).standard_normal((50, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    assert np.ptp(np.linalg.norm(embeddings.astype(np.float64), axis=1)) > 0  # rounding
    assert math.isnan(norm_popularity_correlation(embeddings, np.arange(50)))
