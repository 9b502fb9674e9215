"""An ablation as a table and a plot: each variant against the full model."""

from symcere_jax.report.documents import Document
from symcere_jax.report.plots import COLORS, Axes, Plot, plain
from symcere_jax.report.tables import Table, number, p_value, plus_minus
from symcere_jax.study.ablation import AblationScores, VariantScores

NAME = "ablation"
SIGNIFICANT = 0.05


def ablation_document(scores: AblationScores) -> Document:
    """One row per variant, and what the columns mean."""
    reference = scores.variants[0]
    header = ["variant", "NDCG@10", f"difference to {reference.name}", "95 % interval", "p (Holm)"]
    header += ["coverage@10", "popularity@10", "norm ~ popularity", "valid NDCG@10"]
    changes = [
        [variant.name, ", ".join(f"{name}={value}" for name, value in variant.changes.items())]
        for variant in scores.variants
    ]
    return Document(
        f"Ablation on {scores.dataset}",
        [
            Plot(
                lambda panels: _draw(scores, panels),
                1,
                "Each seed as a point; mean and standard deviation over seeds. Diamonds: differs "
                f"from {reference.name}, p < {SIGNIFICANT} after Holm's correction.",
                (8.0, 1.2 + 0.35 * len(scores.variants)),
            ),
            Table(header, [_row(variant, reference.mean) for variant in scores.variants]),
            f"Test split, {scores.n_users:,} users, seeds: {len(scores.seeds)}; ± is the standard "
            "deviation over seeds. Difference, bootstrap interval and two-sided sign-flip "
            "permutation test are paired over users, whose values are averaged over seeds first; p "
            "is corrected for the number of variants. coverage: share of the catalog that is "
            "recommended to anyone; popularity: mean training interactions of a recommended item; "
            "norm ~ popularity: Spearman's correlation of the norm of an item's embedding, before "
            "normalization where there is any, with its training interactions; valid: on the "
            "validation split, by which settings and epochs are chosen.",
            f"A variant differs from {reference.name} only in the named settings; all others were "
            f"chosen for {reference.name}.",
            *(f"Not run: {name} ({why})." for name, why in scores.not_run.items()),
            Table(["variant", "settings"], changes, 2, "Settings that the variants change"),
        ],
    )


def _row(variant: VariantScores, reference: float) -> list[str]:
    difference, interval, p = "–", "–", "–"
    test = variant.test
    if test is not None:
        relative = f" ({test.difference / reference:+.1%})" if reference else ""
        difference = f"{test.difference:+.4f}{relative}"
        interval = f"[{test.low:+.4f}, {test.high:+.4f}]"
        p = p_value(test.p_permutation_holm)
    return [
        variant.name,
        plus_minus(variant.mean, variant.seed_std),
        difference,
        interval,
        p,
        f"{variant.beyond_accuracy['coverage@10']:.3f}",
        f"{variant.beyond_accuracy['popularity@10']:.1f}",
        number(variant.norm_popularity, "+.2f"),
        f"{variant.valid_mean:.4f}",
    ]


def _draw(scores: AblationScores, panels: list[Axes]) -> None:
    """The metric of each variant: its seeds as points, mean and standard deviation as a bar."""
    [axes] = panels
    variants = scores.variants
    axes.axvline(variants[0].mean, color="0.8", zorder=0)
    for row, variant in enumerate(variants):
        differs = variant.test is not None and variant.test.p_permutation_holm < SIGNIFICANT
        color = COLORS[0] if row == 0 else COLORS[1] if differs else "0.4"
        axes.plot(variant.seed_means, [row] * len(variant.seed_means), ".", color=color, alpha=0.4)
        axes.errorbar(
            variant.mean,
            row,
            xerr=variant.seed_std or 0.0,
            fmt="D" if differs else "o",
            color=color,
            capsize=3,
        )
    axes.set_yticks(range(len(variants)), [plain(variant.name) for variant in variants])
    axes.set_ylim(len(variants) - 0.5, -0.5)  # the reference on top, as in the table
    axes.set_xlabel("test NDCG@10, mean ± standard deviation over seeds")
    axes.set_title(plain(f"{scores.dataset}: variants of {variants[0].name}"), fontsize="medium")
