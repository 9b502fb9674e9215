import numpy as np
import pytest
from tests.text.small import FixedEncoder, random_reviews

from symcere_jax.text import ConditionedEncoder, Conditioning
from symcere_jax.text.encoders.conditioning import apply_conditioning, fit_conditioning


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 6)) * [5, 3, 2, 1, 1, 0.5] + 2.0
    return np.vstack([rows, np.zeros((3, 6))])


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_centring(rows):
    mean, matrix = fit_conditioning(rows, Conditioning(center=True))
    np.testing.assert_allclose(mean, _unit(rows[:-3]).mean(axis=0), atol=1e-6)
    made = apply_conditioning(rows, mean, matrix)
    expected = _unit(_unit(rows[:-3]) - _unit(rows[:-3]).mean(axis=0))
    np.testing.assert_allclose(made[:-3], expected, atol=1e-5)
    assert not made[-3:].any()


@pytest.mark.parametrize("whiten", [0.25, 0.5, 1.0])
def test_whitening_takes_variances_to_a_power(rows, whiten):
    mean, matrix = fit_conditioning(rows, Conditioning(True, whiten))
    before = (_unit(rows[:-3]) - mean) @ np.linalg.eigh(np.cov(_unit(rows[:-3]).T))[1][:, ::-1]
    after = (_unit(rows[:-3]) - mean) @ matrix
    variances = before.var(axis=0)
    np.testing.assert_allclose(
        after.var(axis=0) / after.var(axis=0)[0],
        (variances / variances[0]) ** (1 - whiten),
        rtol=1e-3,
    )
    covariance = np.cov(after.T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-4 * covariance[0, 0]


def test_fewer_dimensions_keep_the_greatest_variance(rows):
    full = fit_conditioning(rows, Conditioning(True, 0.5))[1]
    _, matrix = fit_conditioning(rows, Conditioning(True, 0.5, width=2))
    assert matrix.shape == (6, 2)
    np.testing.assert_array_equal(matrix, full[:, :2])


def test_directions_without_variance_are_left_out(rows):
    flat = rows @ np.diag([1, 1, 1, 0, 0, 0])
    _, matrix = fit_conditioning(flat, Conditioning(True, 1.0))
    assert matrix.shape == (6, 3)
    assert np.isfinite(matrix).all()
    # Fewer items than dimensions.
    assert fit_conditioning(rows[:3], Conditioning(True, 1.0, width=5))[1].shape == (6, 2)
    for few in (rows[:1], rows[-1:]):
        np.testing.assert_array_equal(fit_conditioning(few, Conditioning(True, 0.5))[1], np.eye(6))


def test_an_encoder_is_conditioned_by_the_items_of_its_training_reviews():
    reviews = random_reviews()
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 5)) + 1
    conditioning = Conditioning(center=True, whiten=0.5, width=4)
    encoder = ConditionedEncoder(FixedEncoder(rows), conditioning)
    features = encoder.encode(reviews)
    plain = FixedEncoder(rows).encode(reviews)
    mean, matrix = fit_conditioning(plain.items, conditioning)
    for name in ("reviews", "users", "items"):
        expected = apply_conditioning(getattr(plain, name), mean, matrix)
        np.testing.assert_array_equal(getattr(features, name), expected)
    assert encoder.name == "fixed"
    assert features.settings == {
        "made": "up",
        "encoder_width": 5,
        "conditioning": {"center": True, "whiten": 0.5, "width": 4},
    }
    rows[~reviews.is_train] = 9.0
    after = ConditionedEncoder(FixedEncoder(rows), conditioning).encode(reviews)
    assert after.items.tobytes() == features.items.tobytes()
    assert after.users.tobytes() == features.users.tobytes()


def test_nothing_to_do():
    assert not Conditioning().is_on
    for one in (Conditioning(center=True), Conditioning(whiten=0.1), Conditioning(width=3)):
        assert one.is_on
