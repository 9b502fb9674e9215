"""A comparison of runs as tables and a plot."""

from symcere_jax.report.documents import Document, Heading
from symcere_jax.report.plots import Axes, Plot, draw_by_bucket, line_style, plain
from symcere_jax.report.tables import Columns, Table, count_range, number, p_value, plus_minus
from symcere_jax.study.comparison import BucketScore, Comparison, RunScores

Breakdown = dict[str, list[BucketScore]]  # by run


def comparison_document(comparison: Comparison) -> Document:
    """Scores, paired tests, popularity of what is recommended, and scores by bucket."""
    metric, k, runs = comparison.metric, comparison.k, comparison.runs
    scores: Columns = [
        ("run", lambda run: run.name),
        (metric, lambda run: plus_minus(run.mean, run.standard_error)),
        ("seeds", lambda run: str(run.n_seeds)),
        ("std over seeds", lambda run: number(run.seed_std)),
    ]
    digits = {key: 1 if key.startswith("popularity") else 4 for key in runs[0].beyond_accuracy}
    beyond_accuracy = [
        [run.name, *(f"{run.beyond_accuracy[key]:.{n}f}" for key, n in digits.items())]
        for run in runs
    ]
    return Document(
        f"{metric} on {comparison.dataset}, {comparison.split}",
        [
            Plot(
                lambda panels: _draw(comparison, panels),
                3,
                "Differences with their 95 % intervals; scores by popularity and by history.",
            ),
            f"{comparison.n_users:,} users. ± is the standard error over users; with several "
            "seeds, a user's values are averaged over them first.",
            Table.of(runs, scores),
            Heading(f"Difference to {comparison.reference}"),
            "Paired over users: bootstrap interval, sign-flip permutation test and Wilcoxon "
            "signed-rank test; Holm: corrected for the number of comparisons.",
            _differences(comparison),
            Heading("Beyond accuracy"),
            "Share of the catalog that is recommended to anyone, Gini coefficient of the items' "
            "recommendation counts, mean training interactions of a recommended item.",
            Table(["run", *runs[0].beyond_accuracy], beyond_accuracy),
            Heading(f"recall@{k} by item popularity"),
            "Held-out items by their number of training interactions.",
            _by_bucket(_item_popularity(runs)),
            Heading(f"{metric} by user history"),
            "Users by their number of training interactions.",
            _by_bucket(_user_history(runs)),
        ],
    )


def _differences(comparison: Comparison) -> Table:
    (reference,) = (run.mean for run in comparison.runs if run.test is None)

    def relative(run: RunScores) -> str:
        return f"{run.test.difference / reference:+.1%}" if run.test and reference else "–"

    columns: Columns = [
        ("run", lambda run: run.name),
        ("difference", lambda run: f"{run.test.difference:+.4f}"),
        ("relative", relative),
        ("95 % interval", lambda run: f"[{run.test.low:+.4f}, {run.test.high:+.4f}]"),
        ("p permutation", lambda run: p_value(run.test.p_permutation)),
        ("Holm", lambda run: p_value(run.test.p_permutation_holm)),
        ("p Wilcoxon", lambda run: p_value(run.test.p_wilcoxon)),
        ("Holm", lambda run: p_value(run.test.p_wilcoxon_holm)),
    ]
    return Table.of([run for run in comparison.runs if run.test is not None], columns)


def _item_popularity(runs: list[RunScores]) -> Breakdown:
    return {run.name: run.by_item_popularity for run in runs}


def _user_history(runs: list[RunScores]) -> Breakdown:
    return {run.name: run.by_user_history for run in runs}


def _by_bucket(breakdown: Breakdown) -> Table:
    rows = [["users", *(f"{bucket.n_users:,}" for bucket in next(iter(breakdown.values())))]]
    for name, buckets in breakdown.items():
        rows.append([name, *(plus_minus(each.mean, each.standard_error) for each in buckets)])
    return Table(["run", *_labels(breakdown)], rows)


def _draw(comparison: Comparison, panels: list[Axes]) -> None:
    differences, items, users = panels
    for row, run in enumerate(comparison.runs):
        style = line_style(row) | {"linestyle": ""}
        if run.test is None:
            differences.plot(0.0, row, **style)
        else:
            ends = [[run.test.difference - run.test.low], [run.test.high - run.test.difference]]
            differences.errorbar(run.test.difference, row, xerr=ends, capsize=3, **style)
    differences.axvline(0.0, color="gray", linewidth=1.0)
    names = [plain(run.name) for run in comparison.runs]
    differences.set_yticks(range(len(names)), names)
    differences.set_ylim(len(names) - 0.5, -0.5)  # the first run on top, as in the tables
    differences.set_title(f"{comparison.metric}: difference to {plain(comparison.reference)}")
    differences.locator_params(axis="x", nbins=6)
    _draw_buckets(items, _item_popularity(comparison.runs))
    items.set_title(f"recall@{comparison.k} by item popularity")
    _draw_buckets(users, _user_history(comparison.runs))
    users.set_title(f"{comparison.metric} by user history")


def _draw_buckets(axes: Axes, breakdown: Breakdown) -> None:
    lines = {
        name: ([bucket.mean for bucket in buckets], [b.standard_error for b in buckets])
        for name, buckets in breakdown.items()
    }
    draw_by_bucket(axes, _labels(breakdown), lines)


def _labels(breakdown: Breakdown) -> list[str]:
    return [count_range(bucket.low, bucket.high) for bucket in next(iter(breakdown.values()))]
