import numpy as np
import pytest

from symcere_jax.explain import explain_words

WEIGHTS = {"gasket": 0.4, "bracket": 0.25, "good": -0.1}
TEXT = "Good gasket, good BRACKET & <nothing> else."


def linear(texts):
    return np.array([sum(w for word, w in WEIGHTS.items() if word in t.split()) for t in texts])


def score(texts):
    """A score that is linear in the presence of words, as LIME's own model is."""
    return linear([" ".join("".join(c if c.isalnum() else " " for c in t).split()) for t in texts])


@pytest.fixture(scope="module")
def found():
    return explain_words(TEXT, score, n_samples=200, n_repeats=3)


def test_a_linear_score_is_found_again(found):
    by_word = dict(zip(found.words, found.mean.tolist(), strict=True))
    assert found.words == ("good", "gasket", "bracket", "nothing", "else")
    for word, value in by_word.items():
        assert value == pytest.approx(WEIGHTS.get(word, 0.0), abs=0.04)  # ridge shrinks
    assert found.score == pytest.approx(0.55)
    assert found.fit > 0.99
    assert [found.words[row] for row in found.order()[:3]] == ["gasket", "bracket", "good"]


def test_confidence(found):
    assert dict(zip(found.words, found.is_sure.tolist(), strict=True)) | {
        "nothing": None,
        "else": None,
    } == {"good": True, "gasket": True, "bracket": True, "nothing": None, "else": None}
    # t(0.975, 2 degrees of freedom) of three repeats
    np.testing.assert_allclose(found.half_width, 4.302653 * found.std / np.sqrt(3), rtol=1e-6)


def test_a_score_that_is_not_linear_has_a_bad_fit():
    noise = np.random.default_rng(0)
    found = explain_words(TEXT, lambda t: noise.random(len(t)), n_samples=100, n_repeats=2)
    assert found.fit < 0.3


def test_a_repeat_is_one_batch():
    sizes = []

    def count(texts):
        sizes.append(len(texts))
        return score(texts)

    one = explain_words(TEXT, count, n_samples=50, n_repeats=2, seed=1)
    assert sizes == [50, 50]
    again = explain_words(TEXT, count, n_samples=50, n_repeats=2, seed=1)
    np.testing.assert_array_equal(one.mean, again.mean)
    assert not np.array_equal(one.mean, explain_words(TEXT, count, n_samples=50, seed=2).mean)


def test_one_repeat_is_never_sure():
    found = explain_words(TEXT, score, n_samples=50, n_repeats=1)
    assert np.isnan(found.half_width).all()
    assert not found.is_sure.any()


@pytest.mark.parametrize("text", ["", " … !"])
def test_a_text_without_words(text):
    found = explain_words(text, lambda texts: np.full(len(texts), 0.5))
    assert (found.words, found.score, len(found.mean)) == ((), 0.5, 0)
    assert np.isnan(found.fit)


def test_a_text_of_one_word():
    found = explain_words("gasket", score, n_samples=20, n_repeats=2)
    assert found.words == ("gasket",)
    assert found.score == pytest.approx(0.4)
    assert found.fit < 0.1  # the only other text is the empty one, far away: nothing to learn from


@pytest.mark.parametrize("numbers", [{"n_samples": 1}, {"n_repeats": 0}])
def test_numbers_out_of_range(numbers):
    with pytest.raises(ValueError, match="must be"):
        explain_words(TEXT, score, **numbers)
