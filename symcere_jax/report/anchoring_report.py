"""Semantic anchoring for people and for programs: Markdown tables, JSON, a plot."""

import dataclasses
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from symcere_jax.evaluation import PairedTest
from symcere_jax.explain.anchoring import Anchoring, ModelAnchoring
from symcere_jax.explain.word_classes import CLASSES, FACTUAL, SENTIMENT
from symcere_jax.report.files import write_report
from symcere_jax.report.style import color
from symcere_jax.report.tables import markdown_table, p_value, plain

_HATCHES = {"factual": "", "sentiment": "//", "other": ".."}


def anchoring_markdown(anchoring: Anchoring) -> str:
    """The analysis as Markdown tables.

    Args:
        anchoring: what to show.
    """
    known = ", ".join(f"{share:.0%} of the {kind}" for kind, share in anchoring.known.items())
    counted = "only these are counted"
    if 0.0 in (anchoring.known.get(FACTUAL), anchoring.known.get(SENTIMENT)):
        counted = (
            "all are counted, though those it does not know cannot contribute but in word pairs"
        )
    sections = [
        f"# Semantic anchoring on {anchoring.dataset}, {anchoring.split} reviews",
        f"{anchoring.n_reviews} reviews, each explained by LIME: which words make the text similar "
        f"to its item's embedding ({anchoring.against})? {anchoring.n_repeats} repeats of "
        f"{anchoring.n_samples} perturbed texts. Word classes: {anchoring.word_classes}. The text "
        f"encoder knows {known} words; {counted}.",
        contribution_table(anchoring),
        "Share: contribution of a word, of the sum of the sizes of all contributions in its "
        "review, in percent, mean over the words of the class in a review, then over reviews, ± "
        "standard error. Fit: R² of LIME's linear model. Stable: share of the factual and "
        "sentiment words whose 95 % interval over the repeats leaves out 0.",
        "## Do facts contribute more than sentiment?",
        gap_table(anchoring),
        "Gap: share of a factual word less that of a sentiment word, in percentage points, paired "
        "over reviews, with a 95 % bootstrap interval and a sign-flip permutation test, corrected "
        "for the number of models (Holm). AUC: probability that a factual word of a review "
        "contributes more than a sentiment word of it, ± standard error; 0.5 is chance.",
        *_top_words(anchoring),
    ]
    return "\n\n".join(sections) + "\n"


def contribution_table(anchoring: Anchoring) -> str:
    """Contributions by model and class."""
    rows = []
    for model in anchoring.models:
        cells = [
            f"{100 * of.share:+.2f} ± {100 * of.share_error:.2f}"
            for of in (model.classes[kind] for kind in CLASSES)
        ]
        rows.append([model.name, *cells, f"{model.fit:.2f}", f"{model.stability:.0%}"])
    return markdown_table(
        ["model", *(f"{kind}, % of review" for kind in CLASSES), "fit", "stable"], rows
    )


def gap_table(anchoring: Anchoring) -> str:
    """The gap of each model, and to the first model."""
    rows = []
    for model in anchoring.models:
        cells = [_interval(model.gap), p_value(model.gap.p_permutation_holm)]
        if model.gap_to_first is None:
            cells += ["–", "–"]
        else:
            cells.append(_interval(model.gap_to_first))
            cells.append(p_value(model.gap_to_first.p_permutation_holm))
        rows.append([model.name, *cells, f"{model.auc:.3f} ± {model.auc_error:.3f}"])
    first = anchoring.models[0].name
    return markdown_table(["model", "gap", "p", f"less that of {first}", "p", "AUC"], rows)


def anchoring_figure(anchoring: Anchoring) -> Figure:
    """Shares by class and model; the top words of the first model.

    Args:
        anchoring: what to show.
    """
    n_models = len(anchoring.models)
    figure = Figure(figsize=(13, 2.6 + 0.6 * n_models), layout="constrained")
    bars, facts, feelings = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    width = 0.8 / len(CLASSES)
    places = np.arange(n_models)
    for row, kind in enumerate(CLASSES):
        of = [model.classes[kind] for model in anchoring.models]
        bars.barh(
            places + (row - 1) * width,
            [100 * one.share for one in of],
            width,
            xerr=[196 * one.share_error for one in of],
            color=color(row),
            hatch=_HATCHES[kind],
            edgecolor="white",
            capsize=3,
            label=kind,
        )
    bars.axvline(0, color="0.3", linewidth=0.8)
    bars.set_yticks(places, [plain(model.name) for model in anchoring.models])
    bars.set_ylim(n_models - 0.5, -0.5)  # the first model on top, as in the tables
    bars.set_xlabel("contribution of a word, % of all in its review")
    bars.set_title(f"{plain(anchoring.dataset)}: by class, 95 % interval over reviews")
    bars.legend()
    first = anchoring.models[0]
    for axes, kind in ((facts, FACTUAL), (feelings, SENTIMENT)):
        row = CLASSES.index(kind)
        top = first.classes[kind].top[:12]
        names = [plain(f"{one.word} ({one.n_reviews})") for one in top]
        values = [100 * one.mean for one in top]
        axes.barh(names, values, color=color(row), hatch=_HATCHES[kind], edgecolor="white")
        axes.invert_yaxis()
        axes.set_title(f"{plain(first.name)}: top {kind} words")
        axes.set_xlabel("% of a review (reviews)")
    limits = [axes.get_xlim() for axes in (facts, feelings)]
    for axes in (facts, feelings):
        axes.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
    return figure


def write_anchoring(anchoring: Anchoring, folder: Path) -> list[Path]:
    """Writes `anchoring.md`, `anchoring.json` and `anchoring.png`.

    Args:
        anchoring: what to write.
        folder: where to; made if it is missing.

    Returns:
        The paths of the files.
    """
    return write_report(
        folder,
        "anchoring",
        anchoring_markdown(anchoring),
        dataclasses.asdict(anchoring),
        anchoring_figure(anchoring),
    )


def _top_words(anchoring: Anchoring) -> list[str]:
    sections = ["## Top words"]
    for kind in (FACTUAL, SENTIMENT):
        rows = [[model.name, _listed(model, kind)] for model in anchoring.models]
        sections.append(markdown_table(["model", f"{kind}: % of a review (reviews)"], rows))
    return sections


def _listed(model: ModelAnchoring, kind: str) -> str:
    words = model.classes[kind].top[:10]
    return ", ".join(f"{one.word} {100 * one.mean:+.1f} ({one.n_reviews})" for one in words) or "–"


def _interval(test: PairedTest) -> str:
    return f"{100 * test.difference:+.2f} [{100 * test.low:+.2f}, {100 * test.high:+.2f}]"
