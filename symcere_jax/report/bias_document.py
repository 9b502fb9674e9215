"""Popularity bias as tables and a plot."""

import numpy as np

from symcere_jax.report.documents import Document, Heading
from symcere_jax.report.plots import Axes, Plot, draw_by_bucket, line_style, note, plain
from symcere_jax.report.tables import Columns, Table, count_range, number
from symcere_jax.study.bias import PopularityBias

_COLUMNS: Columns = [
    ("run", lambda run: run.name),
    ("L2", lambda run: {True: "on", False: "off", None: "–"}[run.normalize]),
    ("ndcg@10", lambda run: f"{run.ndcg:.4f}"),
    ("± over seeds", lambda run: number(run.seed_std)),
    ("norm ~ degree", lambda run: number(run.norm_popularity, "+.2f")),
    ("β", lambda run: number(run.popularity_weight, "+.2f")),
    ("popularity@10", lambda run: f"{run.beyond_accuracy['popularity@10']:.1f}"),
    ("gini@10", lambda run: f"{run.beyond_accuracy['gini@10']:.3f}"),
    ("coverage@10", lambda run: f"{run.beyond_accuracy['coverage@10']:.3f}"),
    ("alignment", lambda run: number(run.geometry.get("alignment"), ".3f")),
    ("uniformity users", lambda run: number(run.geometry.get("uniformity_users"), ".2f")),
    ("uniformity items", lambda run: number(run.geometry.get("uniformity_items"), ".2f")),
]


def bias_document(bias: PopularityBias) -> Document:
    """The bias of each run, and over the deciles of the catalog."""
    return Document(
        f"Popularity bias on {bias.dataset}, {bias.split}",
        [
            Plot(
                lambda panels: _draw(bias, panels),
                3,
                "Each item's norm, and means of deciles; which items fill the ranks; scores.",
            ),
            Table.of(bias.runs, _COLUMNS),
            f"{bias.n_users:,} users. L2: whether embeddings are normalized. norm ~ degree: "
            "Spearman's correlation of the norm of an item's embedding, before normalization where "
            "there is any, with its training interactions. β: the learned popularity prior. "
            "popularity@10: mean training interactions of a recommended item; of a held-out item: "
            f"{bias.held_out_popularity:.1f}. gini@10: of the items' recommendation counts. "
            "alignment: mean squared distance of a user and a training item on the unit sphere, "
            "2 for random directions; uniformity: −8 at best, 0 if all embeddings are equal.",
            Heading("By decile of the catalog"),
            "Items by training interactions, least popular first. Shares are of all training "
            "interactions, of all held-out ones, and of the first 10 ranks of all users.",
            _decile_table(bias),
        ],
    )


def _decile_table(bias: PopularityBias) -> Table:
    rows = [
        ["items", *(f"{decile.n_items:,}" for decile in bias.deciles)],
        ["share of training", *(f"{decile.train_share:.1%}" for decile in bias.deciles)],
        ["share of held out", *(f"{decile.held_out_share:.1%}" for decile in bias.deciles)],
        *(
            [f"{run.name}: share of ranks", *(f"{x:.1%}" for x in run.recommended_by_decile)]
            for run in bias.runs
        ),
        *([f"{run.name}: ndcg@10", *map(number, run.ndcg_by_decile)] for run in bias.runs),
        *(
            [f"{run.name}: norm / mean", *(f"{x:.2f}" for x in run.norm_by_decile)]
            for run in bias.runs
            if run.norm_by_decile is not None
        ),
    ]
    return Table(["interactions", *_labels(bias)], rows)


def _draw(bias: PopularityBias, panels: list[Axes]) -> None:
    norms, shares, ndcg = panels
    _draw_norms(norms, bias)
    places, labels = np.arange(len(bias.deciles)), _labels(bias)
    held_out = [decile.held_out_share for decile in bias.deciles]
    training = [decile.train_share for decile in bias.deciles]
    shares.bar(places - 0.2, held_out, 0.4, color="0.8", label="held out")
    shares.bar(places + 0.2, training, 0.4, color="0.5", hatch="//", label="training")
    draw_by_bucket(shares, labels, {r.name: (r.recommended_by_decile, None) for r in bias.runs})
    lines = {run.name: (run.ndcg_by_decile, run.ndcg_error_by_decile) for run in bias.runs}
    draw_by_bucket(ndcg, labels, lines)
    shares.set_title("share of what is recommended, by decile")
    ndcg.set_title("NDCG@10 by decile ± standard error")


def _labels(bias: PopularityBias) -> list[str]:
    return [count_range(decile.low, decile.high) for decile in bias.deciles]


def _draw_norms(axes: Axes, bias: PopularityBias) -> None:
    """Each item's norm against its degree; a line through the means of the deciles."""
    centers = [(max(decile.low, 1) * max(decile.high, 1)) ** 0.5 for decile in bias.deciles]
    axes.set(title="item embeddings before normalization")
    for row, run in enumerate(bias.runs):
        if run.norms is None or run.norm_by_decile is None:
            continue
        style, name = line_style(row), plain(run.name)
        axes.plot(
            np.maximum(bias.item_counts, 1),
            run.norms / run.norms.mean(),
            ".",
            color=style["color"],
            alpha=0.15,
            markersize=3,
            rasterized=True,
        )
        if run.norm_popularity is not None:
            name += f", ρ = {run.norm_popularity:+.2f}"
        axes.plot(centers, run.norm_by_decile, label=name, **style)
    if not axes.lines:
        note(axes, "no checkpoints")
        return
    axes.set(xscale="log", xlabel="training interactions of an item", ylim=(0, None))
    axes.set_ylabel("norm / mean norm")
    axes.legend(fontsize="small")
