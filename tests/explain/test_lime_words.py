import numpy as np
import pytest

from symcere_jax.errors import ConfigError
from symcere_jax.explain.lime_words import explain_words
from symcere_jax.settings import LimeSettings

WEIGHTS = {"gasket": 0.4, "bracket": 0.25, "good": -0.1}
TEXT = "Good gasket, good BRACKET & <nothing> else."


def linear(texts):
    return np.array([sum(w for word, w in WEIGHTS.items() if word in t.split()) for t in texts])


def score(texts):
    """A score that is linear in the presence of words, as LIME's own model is."""
    return linear([" ".join("".join(c if c.isalnum() else " " for c in t).split()) for t in texts])


@pytest.fixture(scope="module")
def found():
    return explain_words(TEXT, score, LimeSettings(200, 3))


def test_a_linear_score_is_recovered(found):
    assert sorted(word.word for word in found.words) == sorted(
        ["good", "gasket", "bracket", "nothing", "else"]
    )
    for word in found.words:
        assert word.mean == pytest.approx(WEIGHTS.get(word.word, 0.0), abs=0.04)  # ridge shrinks
    assert found.score == pytest.approx(0.55)
    assert found.fit > 0.99
    assert [word.word for word in found.words[:3]] == ["gasket", "bracket", "good"]


def test_confidence(found):
    assert all(word.is_significant for word in found.words[:3])
    for word in found.words:  # t(0.975, 2 degrees of freedom) of three repeats
        assert word.half_width == pytest.approx(4.302653 * word.std / np.sqrt(3))


def test_a_score_that_is_not_linear_has_a_bad_fit():
    noise = np.random.default_rng(0)
    found = explain_words(TEXT, lambda t: noise.random(len(t)), LimeSettings(100, 2))
    assert found.fit < 0.3


def test_a_repeat_is_one_batch():
    sizes = []

    def count(texts):
        sizes.append(len(texts))
        return score(texts)

    one = explain_words(TEXT, count, LimeSettings(50, 2, seed=1))
    assert sizes == [50, 50]
    assert explain_words(TEXT, count, LimeSettings(50, 2, seed=1)) == one
    assert explain_words(TEXT, count, LimeSettings(50, 2, seed=2)) != one


def test_one_repeat_is_never_significant():
    found = explain_words(TEXT, score, LimeSettings(50, 1))
    assert all(np.isnan(word.half_width) and not word.is_significant for word in found.words)


@pytest.mark.parametrize("text", ["", " … !"])
def test_a_text_without_words(text):
    found = explain_words(text, lambda texts: np.full(len(texts), 0.5))
    assert (found.words, found.score) == ((), 0.5)
    assert np.isnan(found.fit)


def test_a_text_of_one_word():
    found = explain_words("gasket", score, LimeSettings(20, 2))
    assert [word.word for word in found.words] == ["gasket"]
    assert found.score == pytest.approx(0.4)
    assert found.fit < 0.1  # the only other text is the empty one, far away: nothing to learn from


@pytest.mark.parametrize("settings", [{"samples": 1}, {"repeats": 0}])
def test_numbers_out_of_range(settings):
    with pytest.raises(ConfigError, match="must be at least"):
        LimeSettings(**settings)
