"""Semantic anchoring as tables and a plot."""

from typing import Any

import numpy as np

from symcere_jax.evaluation import PairedTest
from symcere_jax.explain.anchoring import Anchoring, ModelAnchoring
from symcere_jax.explain.word_classes import CLASSES, FACTUAL, SENTIMENT
from symcere_jax.report.documents import Document, Heading
from symcere_jax.report.plots import COLORS, Axes, Plot, plain
from symcere_jax.report.tables import Table, interval, p_value, plus_minus

NAME = "anchoring"
_HATCHES = dict(zip(CLASSES, ("", "//", ".."), strict=True))


def anchoring_document(anchoring: Anchoring) -> Document:
    """What the words of each class contribute, and tests of facts against sentiment."""
    known = ", ".join(f"{share:.0%} of the {kind}" for kind, share in anchoring.known.items())
    counted = "only these are counted"
    if 0.0 in (anchoring.known.get(FACTUAL), anchoring.known.get(SENTIMENT)):
        counted = "all are counted, though unknown words cannot contribute except in word pairs"
    first = anchoring.models[0].name
    return Document(
        f"Semantic anchoring on {anchoring.dataset}, {anchoring.split} reviews",
        [
            Plot(
                lambda panels: _draw(anchoring, panels),
                3,
                "Contributions by class of word, with 95 % intervals over reviews, and the words "
                f"that contribute most in {first}, with the number of reviews.",
                (5.0, max(3.8, 2.6 + 0.6 * len(anchoring.models))),
            ),
            f"{anchoring.n_reviews} reviews, each explained by LIME: which words make the text "
            f"similar to its item's embedding ({anchoring.against})? {anchoring.n_repeats} repeats "
            f"of {anchoring.n_samples} perturbed texts. Word classes: {anchoring.word_classes}. "
            f"The text encoder knows {known} words; {counted}.",
            _contributions(anchoring),
            "Share: a word's contribution as a percentage of the sum of all absolute contributions "
            "in its review; mean over the words of the class in a review, then over reviews, "
            "± standard error. Fit: R² of LIME's linear model. Stable: share of the factual and "
            "sentiment words whose 95 % interval over the repeats excludes 0.",
            Heading("Do facts contribute more than sentiment?"),
            gap_table(anchoring),
            "Gap: share of a factual word minus that of a sentiment word, in percentage points, "
            "paired over reviews, with a 95 % bootstrap interval and a sign-flip permutation test, "
            "corrected for the number of models (Holm). AUC: probability that a factual word of a "
            "review contributes more than a sentiment word of it, ± standard error; 0.5 is chance.",
            Heading("Top words"),
            *(_top_words(anchoring, kind) for kind in (FACTUAL, SENTIMENT)),
        ],
    )


def gap_table(anchoring: Anchoring) -> Table:
    """The gap between facts and sentiment of each model, and compared with the first model."""
    rows = []
    for model in anchoring.models:
        tests = (model.gap, model.gap_to_first)
        cells = [cell for test in tests for cell in _percent(test)]
        rows.append([model.name, *cells, plus_minus(model.auc, model.auc_error, ".3f")])
    first = anchoring.models[0].name
    return Table(["model", "gap", "p", f"minus that of {first}", "p", "AUC"], rows)


def _percent(test: PairedTest | None) -> tuple[str, str]:
    if test is None:
        return "–", "–"
    ends = interval(100 * test.difference, 100 * test.low, 100 * test.high, "+.2f")
    return ends, p_value(test.p_permutation_holm)


def _contributions(anchoring: Anchoring) -> Table:
    rows = []
    for model in anchoring.models:
        classes = [model.classes[kind] for kind in CLASSES]
        cells = [plus_minus(100 * of.share, 100 * of.share_error, "+.2f") for of in classes]
        rows.append([model.name, *cells, f"{model.fit:.2f}", f"{model.stability:.0%}"])
    header = ["model", *(f"{kind}, % of review" for kind in CLASSES), "fit", "stable"]
    return Table(header, rows)


def _top_words(anchoring: Anchoring, kind: str) -> Table:
    def listed(model: ModelAnchoring) -> str:
        top = model.classes[kind].top[:10]
        return ", ".join(f"{w.word} {100 * w.share:+.1f} ({w.n_reviews})" for w in top) or "–"

    rows = [[model.name, listed(model)] for model in anchoring.models]
    return Table(["model", f"{kind}: % of a review (reviews)"], rows, n_words=2)


def _draw(anchoring: Anchoring, panels: list[Axes]) -> None:
    """Shares by class and model; the top words of the first model."""
    shares, *tops = panels
    models = anchoring.models
    width = 0.8 / len(CLASSES)
    places = np.arange(len(models))
    styles: dict[str, dict[str, Any]] = {
        kind: {"color": COLORS[row], "hatch": _HATCHES[kind], "edgecolor": "white"}
        for row, kind in enumerate(CLASSES)
    }
    for row, kind in enumerate(CLASSES):
        classes = [model.classes[kind] for model in models]
        shares.barh(
            places + (row - 1) * width,
            [100 * of.share for of in classes],
            width,
            xerr=[196 * of.share_error for of in classes],
            capsize=3,
            label=kind,
            **styles[kind],
        )
    shares.axvline(0, color="0.3", linewidth=0.8)
    shares.set_yticks(places, [plain(model.name) for model in models])
    shares.set_ylim(len(models) - 0.5, -0.5)  # the first model on top, as in the tables
    shares.set_xlabel("contribution of a word, % of all in its review")
    shares.set_title(f"{plain(anchoring.dataset)}: contributions by class")
    shares.legend()
    lists = [models[0].classes[kind].top[:12] for kind in (FACTUAL, SENTIMENT)]
    values = [100 * word.share for top in lists for word in top]
    for axes, kind, top in zip(tops, (FACTUAL, SENTIMENT), lists, strict=True):
        names = [plain(f"{word.word} ({word.n_reviews})") for word in top]
        axes.barh(names, [100 * word.share for word in top], **styles[kind])
        axes.invert_yaxis()
        axes.set_title(f"{plain(models[0].name)}: top {kind} words")
        axes.set_xlim(min([0.0, *values]) * 1.05, max([0.1, *values]) * 1.05)
        axes.set_xlabel("% of a review")
