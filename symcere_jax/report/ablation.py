"""The table of an ablation: each variant against the full model; as Markdown, JSON and plot."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.evaluation import PRIMARY_METRIC, PairedTest
from symcere_jax.report.comparison import compare_runs
from symcere_jax.report.files import write_report
from symcere_jax.report.style import COLORS
from symcere_jax.report.tables import markdown_table, plain
from symcere_jax.study.ablation import RECORD, VALID_SCORE, Ablation

NAME = "ablation"
_COLUMNS = (
    "95 % interval",
    "p (Holm)",
    "coverage@10",
    "popularity@10",
    "norm ~ popularity",
    "valid NDCG@10",
)
SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True)
class VariantScores:
    """How a variant scores on the test split, and against the reference.

    Attributes:
        name: of the variant.
        changes: the settings that it changes.
        mean: of the metric over users and seeds.
        seed_std: standard deviation of the metric over seeds; None for one seed.
        seed_means: the metric of each seed.
        test: against the reference, paired over users, their values averaged over seeds; Holm's
            correction is over all variants. None for the reference.
        coverage: share of the catalogue within the top 10 of anyone.
        popularity: mean training interactions of the items within the top 10.
        norm_popularity: Spearman's correlation of item embedding norm, before normalisation, and
            training interactions, averaged over seeds; None where all norms are equal.
        valid_mean: of the metric on the validation split, over users and seeds.
    """

    name: str
    changes: Mapping[str, Any]
    mean: float
    seed_std: float | None
    seed_means: tuple[float, ...]
    test: PairedTest | None
    coverage: float
    popularity: float
    norm_popularity: float | None
    valid_mean: float


@dataclasses.dataclass(frozen=True)
class AblationTable:
    """An ablation on a data set.

    Attributes:
        dataset: its name.
        n_users: with a test interaction.
        seeds: of each variant.
        variants: the reference first.
        same: variants that were not run -> the variant that they come to.
    """

    dataset: str
    n_users: int
    seeds: tuple[int, ...]
    variants: tuple[VariantScores, ...]
    same: Mapping[str, str]


def ablation_table(ablation: Ablation, dataset: ReviewDataset, workdir: Path) -> AblationTable:
    """Collects the scores of a complete ablation.

    Args:
        ablation: what was run, two variants or more.
        dataset: the prepared folder.
        workdir: with the runs.

    Raises:
        DataError: a run lacks a file, or was scored on other data.
    """
    folders = [workdir / name for name in ablation.variants]
    comparison = compare_runs(folders, dataset, "test", PRIMARY_METRIC, seeds=ablation.seeds)
    variants = []
    for folder, scores in zip(folders, comparison.runs, strict=True):
        seeds = [folder / f"seed_{seed}" for seed in ablation.seeds]
        records = [json.loads((seed / RECORD).read_text()) for seed in seeds]
        correlations = [record["norm_popularity"] for record in records]
        means = [
            json.loads((seed / "metrics_test.json").read_text())[PRIMARY_METRIC] for seed in seeds
        ]
        variants.append(
            VariantScores(
                name=folder.name,
                changes=ablation.variants[folder.name],
                mean=scores.mean,
                seed_std=scores.seed_std,
                seed_means=tuple(means),
                test=scores.test,
                coverage=scores.beyond_accuracy["coverage@10"],
                popularity=scores.beyond_accuracy["popularity@10"],
                norm_popularity=None if None in correlations else float(np.mean(correlations)),
                valid_mean=float(np.mean([record[VALID_SCORE] for record in records])),
            )
        )
    return AblationTable(
        dataset.name, comparison.n_users, ablation.seeds, tuple(variants), ablation.same
    )


def ablation_markdown(table: AblationTable) -> str:
    """The ablation as a Markdown table, and what its columns mean.

    Args:
        table: what to show.
    """
    reference = table.variants[0].name
    lines = [
        f"# Ablation on {table.dataset}",
        "",
        markdown_table(
            ["variant", "NDCG@10", f"difference to {reference}", *_COLUMNS],
            [_row(variant, table.variants[0].mean) for variant in table.variants],
        ),
        "",
        f"Test split, {table.n_users:,} users, seeds: {len(table.seeds)}; ± is the standard "
        "deviation over seeds. Difference, bootstrap interval and two-sided sign-flip permutation "
        "test are paired over users, whose values are averaged over seeds first; p is corrected "
        f"for the number of variants. coverage: share of the catalogue that is "
        "recommended to anyone; popularity: mean training interactions of a recommended item; "
        "norm ~ popularity: Spearman's correlation of the norm of an item's embedding, before "
        "normalisation where there is any, with its training interactions; valid: on the "
        "validation split, by which settings and epochs are chosen.",
        "",
        f"Only the named settings differ from {reference}, for which the others were chosen.",
        *(
            f"Not run: {name}, which is the same as {other} here."
            for name, other in table.same.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def ablation_figure(table: AblationTable) -> Figure:
    """The metric of each variant: its seeds as points, mean and standard deviation as a bar.

    Args:
        table: what to show.
    """
    variants = table.variants
    figure = Figure(figsize=(8, 1.2 + 0.35 * len(variants)), layout="constrained")
    axes = figure.subplots()
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
    name = plain(f"{table.dataset}; diamonds: differs from {variants[0].name}")
    axes.set_title(f"{name}, p < {SIGNIFICANT} after Holm", fontsize="medium")
    return figure


def write_ablation(table: AblationTable, folder: Path) -> list[Path]:
    """Writes `ablation.md`, `ablation.json` and `ablation.png`.

    Args:
        table: what to write.
        folder: where to; made if it is missing.

    Returns:
        The paths of the files.
    """
    content = {"metric": PRIMARY_METRIC} | dataclasses.asdict(table)
    return write_report(folder, NAME, ablation_markdown(table), content, ablation_figure(table))


def read_ablation(folder: Path) -> AblationTable:
    """Reads what `write_ablation` wrote.

    Args:
        folder: where it was written.

    Raises:
        DataError: `ablation.json` is missing or malformed.
    """
    path = folder / f"{NAME}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        del content["metric"]
        variants = tuple(
            VariantScores(
                **one
                | {
                    "seed_means": tuple(one["seed_means"]),
                    "test": None if one["test"] is None else PairedTest(**one["test"]),
                }
            )
            for one in content.pop("variants")
        )
        return AblationTable(**content | {"seeds": tuple(content["seeds"]), "variants": variants})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: no ablation ({error!r}); run launch/ablate.py, which goes on where it stopped"
        ) from None


def _row(variant: VariantScores, reference: float) -> list[str]:
    spread = "" if variant.seed_std is None else f" ± {variant.seed_std:.4f}"
    difference, interval, p_value = "–", "–", "–"
    if variant.test is not None:
        test = variant.test
        relative = f" ({test.difference / reference:+.1%})" if reference else ""
        difference = f"{test.difference:+.4f}{relative}"
        interval = f"[{test.low:+.4f}, {test.high:+.4f}]"
        p_value = f"{test.p_permutation_holm:.4f}"
    correlation = "–" if variant.norm_popularity is None else f"{variant.norm_popularity:+.2f}"
    return [
        variant.name,
        f"{variant.mean:.4f}{spread}",
        difference,
        interval,
        p_value,
        f"{variant.coverage:.3f}",
        f"{variant.popularity:.1f}",
        correlation,
        f"{variant.valid_mean:.4f}",
    ]
