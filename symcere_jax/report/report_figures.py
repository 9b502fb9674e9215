"""The plots of a report: the data, the training, the space of the embeddings."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.report.style import LINES, MARKERS, color, panels
from symcere_jax.report.tables import plain

Log = Sequence[Mapping[str, float]]
_MAX_POINTS = 4000


def dataset_figures(dataset: ReviewDataset, ratings: np.ndarray, words: np.ndarray) -> list[Figure]:
    """How active users are and how popular items are; ratings; lengths of reviews.

    Args:
        dataset: the prepared folder.
        ratings: float `[n_reviews]`, NaN where there is none.
        words: int `[n_reviews]`, words of each review.
    """
    figures, (degrees, stars, lengths) = panels(3)
    for row, (name, of) in enumerate(
        (("users", dataset.user_counts()), ("items", dataset.item_counts()))
    ):
        counts = np.sort(of)
        share = 1 - np.arange(len(counts)) / len(counts)
        kept = counts > 0
        degrees.loglog(
            counts[kept], share[kept], color=color(row), linestyle=LINES[row], label=name
        )
    degrees.set(title="training interactions", xlabel="at least so many", ylabel="share of them")
    degrees.legend()
    known = ratings[np.isfinite(ratings)]
    if len(known):
        values, counts = np.unique(np.round(known), return_counts=True)
        stars.bar(values, counts / len(known), color=color(0))
        stars.set(xticks=values, ylim=(0, None))
    else:
        stars.text(0.5, 0.5, "no ratings", ha="center", transform=stars.transAxes)
    stars.set(title="ratings", xlabel="rating", ylabel="share of the reviews")
    bins = np.geomspace(1, max(int(words.max(initial=2)), 2), 30).tolist()
    lengths.hist(np.maximum(words, 1), bins=bins, color=color(0))
    lengths.set_xscale("log")
    lengths.set(title="lengths of reviews", xlabel="words", ylabel="reviews")
    return figures


def training_figures(logs: Mapping[str, Sequence[Log]]) -> list[Figure]:
    """Loss, validation score, alignment and uniformity by epoch.

    Args:
        logs: run -> a log a seed, as `metric_log.read_metric_log` reads them.
    """
    courses = (
        ("ndcg@10", "validation NDCG@10"),
        ("loss", "training loss"),
        ("alignment", "alignment: lower is nearer"),
        ("uniformity_items", "uniformity of items: lower is more even"),
    )
    figures, axes = panels(len(courses), size=(6, 3.6))
    for panel, (key, title) in zip(axes, courses, strict=True):
        for row, (name, seeds) in enumerate(logs.items()):
            _plot_course(panel, key, seeds, row, name)
        panel.set(title=title, xlabel="epoch")
        if panel.lines:
            panel.legend(fontsize="small")
        else:
            panel.text(0.5, 0.5, "not in the log", ha="center", transform=panel.transAxes)
    return figures


def embedding_figures(
    users: np.ndarray, items: np.ndarray, user_counts: np.ndarray, item_counts: np.ndarray
) -> list[Figure]:
    """Items, and users, on the two main axes of the items' embeddings.

    Args:
        users: float `[n_users, d]`, as scored with.
        items: float `[n_items, d]`.
        user_counts: int `[n_users]` training interactions.
        item_counts: int `[n_items]` likewise.
    """
    figures, axes = panels(2, size=(6, 4.8))
    mean = items.mean(axis=0)
    _, sizes, directions = np.linalg.svd(items - mean, full_matrices=False)
    explained = sizes**2 / max((sizes**2).sum(), 1e-12)
    # One item, or embeddings one wide, have no second axis.
    explained = np.pad(explained, (0, 1))[:2]
    directions = np.pad(directions, ((0, 1), (0, 0)))[:2]
    for figure, panel, name, points, counts, marker in (
        (figures[0], axes[0], "items", items, item_counts, "o"),
        (figures[1], axes[1], "users", users, user_counts, "^"),
    ):
        n_shown = min(len(points), _MAX_POINTS)
        spaced = np.unique(np.linspace(0, len(points) - 1, n_shown, dtype=int))
        shown = spaced[np.argsort(counts[spaced], kind="stable")]  # the popular ones on top
        at = (points[shown] - mean) @ directions.T
        size = np.log10(np.maximum(counts[shown], 1))
        drawn = panel.scatter(
            at[:, 0], at[:, 1], c=size, s=6 + 10 * size, marker=marker, cmap="cividis", alpha=0.8
        )
        figure.colorbar(drawn, ax=panel).set_label("log10 of training interactions")
        panel.set(title=f"{name}: {len(shown):,} of {len(points):,}")
        panel.set(xlabel=f"first axis, {explained[0]:.0%} of the items' variance")
        panel.set(ylabel=f"second axis, {explained[1]:.0%}")
    return figures


def _plot_course(axes: Axes, key: str, seeds: Sequence[Log], row: int, name: str) -> None:
    for number, log in enumerate(seeds):
        points = [(record["epoch"], record[key]) for record in log if key in record]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                color=color(row),
                linestyle=LINES[row % len(LINES)],
                marker=MARKERS[row % len(MARKERS)],
                markersize=4,
                alpha=1.0 if len(seeds) == 1 else 0.6,
                label=plain(name) if number == 0 else None,
            )
