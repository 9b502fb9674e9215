"""Popularity bias for people and for programs: Markdown tables, JSON, a plot."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symcere_jax.report.bias import BiasReport, RunBias
from symcere_jax.report.files import write_report
from symcere_jax.report.style import color, line_style, one_each, side_by_side
from symcere_jax.report.tables import count_range, markdown_table, number, plain

_NORMALIZE = {True: "on", False: "off", None: "–"}
_HEADER = (
    *("run", "L2", "ndcg@10", "± over seeds", "norm ~ degree", "β", "popularity@10", "gini@10"),
    *("coverage@10", "alignment", "uniformity users", "uniformity items"),
)


def bias_markdown(report: BiasReport) -> str:
    """The bias of each run, and its course over the deciles of the catalogue.

    Args:
        report: what to show.
    """
    sections = [
        f"# Popularity bias on {report.dataset}, {report.split}",
        bias_table(report),
        f"Of {report.n_users:,} users. L2: whether embeddings are normalised. norm ~ degree: "
        "Spearman's correlation of the norm of an item's embedding, before normalisation where "
        "there is any, with its training interactions. β: the learned popularity prior. "
        "popularity@10: mean training interactions of a recommended item; of a held-out item: "
        f"{report.held_out_popularity:.1f}. gini@10: of the items' recommendation counts. "
        "alignment: mean squared distance of a user and a training item on the unit sphere, of "
        "2 for random directions; uniformity: −8 at best, 0 for all in one place.",
        "## By decile of the catalogue",
        "Items by training interactions, least popular first. Shares are of all training "
        "interactions, of all held-out ones, and of the first 10 ranks of all users.",
        decile_table(report),
    ]
    return "\n\n".join(sections) + "\n"


def bias_table(report: BiasReport) -> str:
    """A row a run."""
    return markdown_table(_HEADER, [_bias_row(run) for run in report.runs])


def decile_table(report: BiasReport) -> str:
    """A column a decile."""
    rows = [
        ["items", *(f"{decile.n_items:,}" for decile in report.deciles)],
        ["share of training", *(f"{decile.train_share:.1%}" for decile in report.deciles)],
        ["share of held out", *(f"{decile.held_out_share:.1%}" for decile in report.deciles)],
    ]
    for run in report.runs:
        rows.append(
            [f"{run.name}: share of ranks", *(f"{x:.1%}" for x in run.recommended_by_decile)]
        )
    for run in report.runs:
        rows.append([f"{run.name}: ndcg@10", *(number(x) for x in run.ndcg_by_decile)])
    for run in report.runs:
        if run.norm_by_decile is not None:
            rows.append([f"{run.name}: norm / mean", *(f"{x:.2f}" for x in run.norm_by_decile)])
    header = ["interactions", *(count_range(decile.low, decile.high) for decile in report.deciles)]
    return markdown_table(header, rows)


def bias_figure(report: BiasReport) -> Figure:
    """Norm against degree, shares of the ranks by decile, NDCG by decile.

    Args:
        report: what to show.
    """
    return side_by_side(functools.partial(_plot, report), 3)


def bias_figures(report: BiasReport) -> list[Figure]:
    """The same, a figure a panel."""
    return one_each(functools.partial(_plot, report), 3)


def write_bias(report: BiasReport, folder: Path) -> list[Path]:
    """Writes `bias.md`, `bias.json` and `bias.png`.

    Args:
        report: what to write.
        folder: where to; made if it is missing.

    Returns:
        The paths of the files.
    """
    content = dataclasses.asdict(report)
    del content["item_counts"]  # what only a plot needs
    for run in content["runs"]:
        del run["norms"]
    return write_report(folder, "bias", bias_markdown(report), content, bias_figure(report))


def _bias_row(run: RunBias) -> list[str]:
    return [
        run.name,
        _NORMALIZE[run.normalize],
        f"{run.ndcg:.4f}",
        number(run.seed_std),
        number(run.norm_popularity, "+.2f"),
        number(run.popularity_weight, "+.2f"),
        f"{run.beyond_accuracy['popularity@10']:.1f}",
        f"{run.beyond_accuracy['gini@10']:.3f}",
        f"{run.beyond_accuracy['coverage@10']:.3f}",
        number(run.geometry.get("alignment"), ".3f"),
        number(run.geometry.get("uniformity_users"), ".2f"),
        number(run.geometry.get("uniformity_items"), ".2f"),
    ]


def _plot(report: BiasReport, panels: list[Axes]) -> None:
    norms, shares, ndcg = panels
    _plot_norms(norms, report)
    labels = [count_range(decile.low, decile.high) for decile in report.deciles]
    places = np.arange(len(labels))
    of_training = [decile.train_share for decile in report.deciles]
    held_out = [decile.held_out_share for decile in report.deciles]
    shares.bar(places - 0.2, held_out, 0.4, color="0.8", label="held out")
    shares.bar(places + 0.2, of_training, 0.4, color="0.5", hatch="//", label="training")
    for row, run in enumerate(report.runs):
        style = {**line_style(row), "label": plain(run.name)}
        shares.plot(places, run.recommended_by_decile, **style)
        ndcg.errorbar(places, run.ndcg_by_decile, run.ndcg_error_by_decile, capsize=3, **style)
    shares.set(title="share of what is recommended", ylim=(0, None))
    ndcg.set(title="NDCG@10 of held-out items ± standard error", ylim=(0, None))
    for axes in (shares, ndcg):
        axes.legend(fontsize="small")
        axes.set_xticks(places, labels, rotation=45)
        axes.set_xlabel("training interactions, by decile of the catalogue")


def _plot_norms(axes: Axes, report: BiasReport) -> None:
    """Each item's norm against its degree; a line through the means of the deciles."""
    centers = [(max(decile.low, 1) * max(decile.high, 1)) ** 0.5 for decile in report.deciles]
    for row, run in enumerate(report.runs):
        if run.norms is None or run.norm_by_decile is None:
            continue
        axes.plot(
            np.maximum(report.item_counts, 1),
            run.norms / run.norms.mean(),
            ".",
            color=color(row),
            alpha=0.15,
            markersize=3,
            rasterized=True,
        )
        name = plain(run.name)
        if run.norm_popularity is not None:
            name += f", ρ = {run.norm_popularity:+.2f}"
        axes.plot(
            centers,
            run.norm_by_decile,
            label=name,
            **line_style(row),
        )
    axes.set_xscale("log")
    axes.set(title="item embeddings before normalisation")
    axes.set(xlabel="training interactions of an item", ylabel="norm / mean norm", ylim=(0, None))
    if axes.lines:
        axes.legend(fontsize="small")
    else:
        axes.text(0.5, 0.5, "no checkpoints", ha="center", transform=axes.transAxes)
