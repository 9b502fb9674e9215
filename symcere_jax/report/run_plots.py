"""Plots of the data, of training, and of the space of the embeddings."""

from collections.abc import Mapping, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.report.plots import COLORS, LINES, Axes, Plot, line_style, note, plain

Log = Sequence[Mapping[str, float]]
_MAX_POINTS = 4000
_COURSES = (
    ("ndcg@10", "validation NDCG@10"),
    ("loss", "training loss"),
    ("alignment", "alignment: lower is nearer"),
    ("uniformity_items", "uniformity of items: lower is more even"),
)


def dataset_plot(dataset: ReviewDataset, ratings: np.ndarray, n_words: np.ndarray) -> Plot:
    """How active users are and how popular items are; ratings; lengths of reviews in words."""

    def draw(panels: list[Axes]) -> None:
        degrees, stars, lengths = panels
        sides = {"users": dataset.user_counts(), "items": dataset.item_counts()}
        for row, (name, counts) in enumerate(sides.items()):
            at_least = np.sort(counts)
            share = 1 - np.arange(len(counts)) / len(counts)
            active = at_least > 0
            style = {"color": COLORS[row], "linestyle": LINES[row], "label": name}
            degrees.loglog(at_least[active], share[active], **style)
        degrees.set(title="training interactions", xlabel="at least", ylabel="share")
        degrees.legend()
        values, counts = np.unique(np.round(ratings[np.isfinite(ratings)]), return_counts=True)
        if len(values):
            stars.bar(values, counts / counts.sum(), color=COLORS[0])
            stars.set(xticks=values, ylim=(0, None))
        else:
            note(stars, "no ratings")
        stars.set(title="ratings", xlabel="rating", ylabel="share of the reviews")
        bins = np.geomspace(1, max(int(n_words.max(initial=2)), 2), 30).tolist()
        lengths.hist(np.maximum(n_words, 1), bins=bins, color=COLORS[0])
        lengths.set(title="lengths of reviews", xlabel="words", ylabel="reviews", xscale="log")

    caption = "Share of users and items by training interactions; ratings; lengths of reviews."
    return Plot(draw, 3, caption)


def training_plot(logs: Mapping[str, Sequence[Log]]) -> Plot:
    """Validation score, loss, alignment and uniformity by epoch, of run -> a log for each seed."""

    def draw(panels: list[Axes]) -> None:
        for axes, (key, title) in zip(panels, _COURSES, strict=True):
            for row, (name, seeds) in enumerate(logs.items()):
                style = line_style(row) | {"alpha": 1.0 if len(seeds) == 1 else 0.6}
                for seed, log in enumerate(seeds):
                    points = [(record["epoch"], record[key]) for record in log if key in record]
                    label = plain(name) if seed == 0 else None
                    if points:
                        axes.plot(*zip(*points, strict=True), markersize=4, label=label, **style)
            axes.set(title=title, xlabel="epoch")
            if axes.lines:
                axes.legend(fontsize="small")
            else:
                note(axes, "not in the log")

    caption = (
        "By epoch, a line for each seed. Losses of runs with different losses are not comparable. "
        "Alignment: mean squared distance of a user and a training item on the unit sphere; "
        "uniformity: log of the mean Gaussian kernel between items."
    )
    return Plot(draw, len(_COURSES), caption, (6.0, 3.6))


def embedding_plot(
    users: np.ndarray,
    items: np.ndarray,
    user_counts: np.ndarray,
    item_counts: np.ndarray,
    name: str = "",
) -> Plot:
    """Items, and users, on the two principal axes of the items' embeddings `[n_items, d]`.

    The counts are training interactions; `name` is that of the run.
    """
    lengths = np.linalg.norm(users, axis=1).mean()
    users = users * (np.linalg.norm(items, axis=1).mean() / max(float(lengths), 1e-12))
    mean = items.mean(axis=0)
    with threadpool_limits(1):  # beside another program, threads would wait for each other
        _, sizes, directions = np.linalg.svd(items - mean, full_matrices=False)
    # One item, or embeddings one wide, have no second axis.
    explained = np.pad(sizes**2 / max((sizes**2).sum(), 1e-12), (0, 1))[:2]
    directions = np.pad(directions, ((0, 1), (0, 0)))[:2]

    def draw(axes: Axes, side: str, points: np.ndarray, counts: np.ndarray, marker: str) -> None:
        n_shown = min(len(points), _MAX_POINTS)
        spaced = np.unique(np.linspace(0, len(points) - 1, n_shown, dtype=int))
        shown = spaced[np.argsort(counts[spaced], kind="stable")]  # the popular ones on top
        x, y = ((points[shown] - mean) @ directions.T).T
        size = np.log10(np.maximum(counts[shown], 1))
        drawn = axes.scatter(
            *(x, y),
            c=size,
            s=6 + 10 * size,
            marker=marker,
            cmap="cividis",
            alpha=0.8,
            rasterized=True,
        )
        colorbar = axes.get_figure(root=True).colorbar(drawn, ax=axes)  # type: ignore[union-attr]
        colorbar.set_label("log10 of training interactions")
        axes.set(title=f"{side}: {len(shown):,} of {len(points):,}")
        axes.set(xlabel=f"first axis, {explained[0]:.0%} of the items' variance")
        axes.set(ylabel=f"second axis, {explained[1]:.0%}")

    def draw_both(panels: list[Axes]) -> None:
        draw(panels[0], "items", items, item_counts, "o")
        draw(panels[1], "users", users, user_counts, "^")

    caption = (
        "Embeddings on the two principal axes of the items; users are scaled to the items' mean "
        "norm. Lighter and larger: more training interactions."
    )
    return Plot(draw_both, 2, f"{name}: {caption}" if name else caption, (6.0, 4.8))
