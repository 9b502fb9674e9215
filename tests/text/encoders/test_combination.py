import numpy as np
import pytest

from symcere_jax.text import CombinedEncoder
from symcere_jax.text.encoders.combination import join
from tests.text.encoders.small import FixedEncoder, random_reviews


def test_a_similarity_is_the_mean_of_the_cosines():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(8, 3)), 100 * rng.normal(size=(8, 5))

    def cosines(rows):
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return rows @ rows.T

    joined = join([left, right])
    assert joined.shape == (8, 8)
    assert joined.dtype == np.float32
    expected = (cosines(left) + cosines(right)) / 2
    np.testing.assert_allclose(joined @ joined.T, expected, atol=1e-6)
    left[2] = 0  # no text that the first encoder knows
    assert np.linalg.norm(join([left, right])[2]) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("on_disk", [False, True])
def test_encoders_side_by_side(tmp_path, monkeypatch, on_disk):
    monkeypatch.setattr("symcere_jax.text.encoders.combination._BLOCK", 7)
    reviews = random_reviews()
    rng = np.random.default_rng(1)
    parts = [FixedEncoder(rng.normal(size=(60, width)), f"w{width}") for width in (3, 4)]
    combined = CombinedEncoder(tuple(parts), tmp_path if on_disk else None)
    features = combined.encode(reviews)
    alone = [part.encode(reviews) for part in parts]
    for name in ("reviews", "users", "items"):
        expected = join([getattr(part, name) for part in alone])
        np.testing.assert_allclose(getattr(features, name), expected, atol=3e-4)
    assert combined.name == "w3+w4"
    assert features.settings == {"w3": {"made": "up"}, "w4": {"made": "up"}}
    assert features.fitted is None  # a part has none
