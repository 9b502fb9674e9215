"""A comparison of runs for people and for programs: Markdown tables, JSON, a plot."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symcere_jax.report.comparison import BucketScore, Comparison, RunScores
from symcere_jax.report.files import write_report
from symcere_jax.report.style import MARKERS, color, line_style, one_each, side_by_side
from symcere_jax.report.tables import count_range, markdown_table, p_value, plain


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown tables, aligned so that a terminal shows them too.

    Args:
        comparison: what to show.
    """
    metric, k = comparison.metric, comparison.k
    sections = [
        f"# {metric} on {comparison.dataset}, {comparison.split}\n\n"
        f"{comparison.n_users:,} users. ± is the standard error over users; with several seeds, a "
        "user's values are averaged over them first.",
        markdown_table(
            ["run", metric, "seeds", "std over seeds"],
            [
                [
                    run.name,
                    _plus_minus(run.mean, run.standard_error),
                    str(run.n_seeds),
                    "–" if run.seed_std is None else f"{run.seed_std:.4f}",
                ]
                for run in comparison.runs
            ],
        ),
        f"## Difference to {comparison.reference}\n\n"
        "Paired over users: bootstrap interval, sign-flip permutation test and Wilcoxon "
        "signed-rank test; Holm: corrected for the number of comparisons.",
        _differences(comparison),
        "## Beyond accuracy\n\n"
        "Share of the catalogue that is recommended to anyone, Gini coefficient of the items' "
        "recommendation counts, mean training interactions of a recommended item.",
        markdown_table(
            ["run", *comparison.runs[0].beyond_accuracy],
            [
                [
                    run.name,
                    *(
                        f"{value:.1f}" if key.startswith("popularity") else f"{value:.4f}"
                        for key, value in run.beyond_accuracy.items()
                    ),
                ]
                for run in comparison.runs
            ],
        ),
        f"## recall@{k} by item popularity\n\n"
        "Held-out items by their number of training interactions.",
        _by_bucket(comparison.runs, _item_popularity),
        f"## {metric} by user history\n\nUsers by their number of training interactions.",
        _by_bucket(comparison.runs, _user_history),
    ]
    return "\n\n".join(sections) + "\n"


def comparison_figure(comparison: Comparison) -> Figure:
    """Differences to the reference with their intervals, and the metrics by bucket.

    Args:
        comparison: what to show.
    """
    return side_by_side(functools.partial(_plot, comparison), 3)


def comparison_figures(comparison: Comparison) -> list[Figure]:
    """The same, a figure a panel."""
    return one_each(functools.partial(_plot, comparison), 3)


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Writes `comparison.md`, `comparison.json` and `comparison.png`.

    Args:
        comparison: what to write.
        folder: where to; made if it is missing.

    Returns:
        The paths of the files.
    """
    return write_report(
        folder,
        "comparison",
        comparison_markdown(comparison),
        dataclasses.asdict(comparison),
        comparison_figure(comparison),
    )


def _differences(comparison: Comparison) -> str:
    (mean,) = {run.mean for run in comparison.runs if run.test is None}
    rows = []
    for run in comparison.runs:
        if run.test is not None:
            test = run.test
            rows.append(
                [
                    run.name,
                    f"{test.difference:+.4f}",
                    f"{test.difference / mean:+.1%}" if mean else "–",
                    f"[{test.low:+.4f}, {test.high:+.4f}]",
                    p_value(test.p_permutation),
                    p_value(test.p_permutation_holm),
                    p_value(test.p_wilcoxon),
                    p_value(test.p_wilcoxon_holm),
                ]
            )
    header = ["run", "difference", "relative", "95 % interval"]
    return markdown_table([*header, "p permutation", "Holm", "p Wilcoxon", "Holm"], rows)


def _by_bucket(
    runs: Sequence[RunScores], buckets_of: Callable[[RunScores], list[BucketScore]]
) -> str:
    buckets = buckets_of(runs[0])
    rows = [["users", *(f"{bucket.n_users:,}" for bucket in buckets)]]
    for run in runs:
        cells = (_plus_minus(bucket.mean, bucket.standard_error) for bucket in buckets_of(run))
        rows.append([run.name, *cells])
    return markdown_table(["run", *map(_label, buckets)], rows)


def _plot(comparison: Comparison, panels: list[Axes]) -> None:
    differences, items, users = panels
    for place, run in enumerate(comparison.runs):
        style: dict[str, Any] = {"color": color(place), "marker": MARKERS[place % len(MARKERS)]}
        if run.test is None:
            differences.plot(0.0, place, linestyle="", **style)
        else:
            ends = [[run.test.difference - run.test.low], [run.test.high - run.test.difference]]
            differences.errorbar(run.test.difference, place, xerr=ends, capsize=3, **style)
    differences.axvline(0.0, color="grey", linewidth=1.0)
    names = [plain(run.name) for run in comparison.runs]
    differences.set_yticks(range(len(names)), names)
    differences.set_ylim(len(names) - 0.5, -0.5)  # the first run on top, as in the tables
    differences.set_title(
        f"{comparison.metric}: difference to {plain(comparison.reference)}, 95 % interval"
    )
    differences.locator_params(axis="x", nbins=6)
    _plot_buckets(items, comparison.runs, _item_popularity)
    items.set_title(f"recall@{comparison.k} by item popularity")
    _plot_buckets(users, comparison.runs, _user_history)
    users.set_title(f"{comparison.metric} by user history")
    users.legend(fontsize="small")


def _plot_buckets(
    axes: Axes,
    runs: Sequence[RunScores],
    buckets_of: Callable[[RunScores], list[BucketScore]],
) -> None:
    labels = [_label(bucket) for bucket in buckets_of(runs[0])]
    for row, run in enumerate(runs):
        axes.errorbar(
            range(len(labels)),
            [bucket.mean for bucket in buckets_of(run)],
            [bucket.standard_error for bucket in buckets_of(run)],
            capsize=3,
            label=plain(run.name),
            **line_style(row),
        )
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlabel("training interactions")
    axes.set_ylim(bottom=0.0)


def _item_popularity(run: RunScores) -> list[BucketScore]:
    return run.by_item_popularity


def _user_history(run: RunScores) -> list[BucketScore]:
    return run.by_user_history


def _label(bucket: BucketScore) -> str:
    return count_range(bucket.low, bucket.high)


def _plus_minus(mean: float, error: float) -> str:
    return f"{mean:.4f} ± {error:.4f}"
