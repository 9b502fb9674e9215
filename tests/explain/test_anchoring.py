import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from symcere_jax.explain import (
    Aligner,
    WordContributions,
    classes_of_lists,
    explain_reviews,
    sample_reviews,
    summarize_anchoring,
)
from symcere_jax.prepare.sources.synthetic_truth import FACTUAL_WORDS, SENTIMENT_WORDS

CLASSES = classes_of_lists(["bolt", "hose", "oven"], ["good", "bad"])
LABELS = {"dataset": "d", "split": "test", "against": "graph", "word_classes": "x", "known": {}}


def review(**means):
    mean = np.array(list(means.values()))
    half_width = np.full(len(mean), 0.05)
    nothing = np.zeros(len(mean))
    text = " ".join(means)
    return WordContributions(text, tuple(means), mean, nothing, half_width, 0.5, 0.9, 100, 3)


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


def test_means_by_class(summary):
    factual = summary.models[0].classes["factual"]
    by_review = [np.mean([0.4, 0.2]), -0.1, 0.3, np.mean([0.6, 0.2])]
    assert factual.mean == pytest.approx(np.mean(by_review))
    assert factual.error == pytest.approx(np.std(by_review, ddof=1) / 2)
    assert factual.n_words == pytest.approx(6 / 4)
    totals = [1.0, 0.4, 1.0, 1.0]
    shares = [value / total for value, total in zip(by_review, totals, strict=True)]
    assert factual.share == pytest.approx(np.mean(shares))
    other = summary.models[0].classes["other"]
    assert other.mean == pytest.approx(np.mean([0.3, 0.0, 0.2, 0.0]))


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
        rows = [row for row, word in enumerate(one.words) if word in CLASSES]
        labels = [CLASSES[one.words[row]] == "factual" for row in rows]
        aucs.append(roc_auc_score(labels, one.mean[rows]))
    assert summary.models[0].auc == pytest.approx(np.mean(aucs))


def test_stability_and_top_words(summary):
    first = summary.models[0]
    sure = [abs(v) > 0.05 for v in (0.4, 0.1, 0.2, -0.1, 0, -0.3, 0.3, 0.3, -0.2, 0.6, 0.2, 0.2)]
    assert first.stability == pytest.approx(np.mean(sure))
    (top,) = first.classes["factual"].top  # the others are in fewer than three reviews
    assert (top.word, top.n_reviews) == ("bolt", 3)
    assert top.mean == pytest.approx((0.4 + 0.3 + 0.6) / 3)


def test_planted_facts_are_recovered(trained, dataset):
    """Facts carry the similarity, in the text features already."""
    planted = classes_of_lists(FACTUAL_WORDS, SENTIMENT_WORDS)
    aligner = Aligner.of_text("text", dataset, "lsa")
    texts, items = sample_reviews(dataset, "test", 12, planted)
    done = []
    explanations = explain_reviews(
        aligner, texts, items, n_samples=80, n_repeats=2, progress=lambda *at: done.append(at)
    )
    assert done[-1] == (12, 12)
    (model,) = summarize_anchoring({"text": explanations}, planted, **LABELS).models
    assert model.auc > 0.7
    assert model.gap.low > 0
