import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from symcere_jax.explain import TextExplanation, classes_of_lists, summarize_anchoring
from symcere_jax.explain.lime_words import WordContribution

CLASSES = classes_of_lists(["bolt", "hose", "oven"], ["good", "bad"])
LABELS = {"dataset": "d", "split": "test", "against": "graph", "word_classes": "x", "known": {}}


def review(**means):
    words = tuple(WordContribution(word, mean, 0.0, 0.05) for word, mean in means.items())
    return TextExplanation(" ".join(means), 0.5, 0.9, 100, 3, words)


REVIEWS = [
    review(bolt=0.4, good=0.1, the=0.3, hose=0.2),
    review(oven=-0.1, bad=0.0, good=-0.3, and_=0.0),
    review(bolt=0.3, good=0.3, bad=-0.2, or_=0.2),
    review(bolt=0.6, good=0.2, hose=0.2, it=0.0),
]


@pytest.fixture(scope="module")
def summary():
    models = {"first": REVIEWS, "second": [review(bolt=0.1, good=0.3) for _ in REVIEWS]}
    return summarize_anchoring(models, CLASSES, **LABELS)


def test_shares_by_class(summary):
    factual = summary.models[0].classes["factual"]
    by_review = [np.mean([0.4, 0.2]), -0.1 / 0.4, 0.3, np.mean([0.6, 0.2])]
    assert factual.share == pytest.approx(np.mean(by_review))
    assert factual.share_error == pytest.approx(np.std(by_review, ddof=1) / 2)
    other = summary.models[0].classes["other"]
    assert other.share == pytest.approx(np.mean([0.3, 0.0, 0.2, 0.0]))
    assert summary.models[1].classes["other"].share == 0


def test_the_gap_is_paired(summary):
    first, second = summary.models
    gaps = np.array([0.3 - 0.1, -0.25 + 0.375, 0.3 - 0.05, 0.4 - 0.2])
    assert first.gap.difference == pytest.approx(gaps.mean())
    assert first.gap_to_first is None
    assert second.gap.difference == pytest.approx(0.25 - 0.75)
    assert second.gap_to_first.difference == pytest.approx(-0.5 - gaps.mean())


def test_auc_equals_scikit_learn(summary):
    aucs = []
    for one in REVIEWS:
        words = [word for word in one.words if word.word in CLASSES]
        labels = [CLASSES[word.word] == "factual" for word in words]
        aucs.append(roc_auc_score(labels, [word.mean for word in words]))
    assert summary.models[0].auc == pytest.approx(np.mean(aucs))


def test_stability_and_top_words(summary):
    first = summary.models[0]
    significant = [
        abs(v) > 0.05 for v in (0.4, 0.1, 0.2, -0.1, 0, -0.3, 0.3, 0.3, -0.2, 0.6, 0.2, 0.2)
    ]
    assert first.stability == pytest.approx(np.mean(significant))
    (top,) = first.classes["factual"].top  # the others are in fewer than three reviews
    assert (top.word, top.n_reviews) == ("bolt", 3)
    assert top.share == pytest.approx((0.4 + 0.3 + 0.6) / 3)
