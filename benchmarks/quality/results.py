r"""SymCERE beside other recommenders, on several data sets: the tables of results of the README.

  python -m benchmarks.quality.results --datasets=data/tripadvisor,data/gift_cards \
    --workdir=runs/results --seeds=5 --details=tripadvisor --update=README.md

Baselines are tuned on the validation split; SymCERE has its defaults. Each is scored on the test
split once per seed, and so are its experts alone. Runs lie in WORKDIR/NAME; what is complete is not
repeated. The baseline that is best on validation is compared with the others by a permutation test
over users, with Holm's correction. --details names a data set whose name marks a second table.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.baselines.methods import METHODS
from symcere_jax.baselines.runs import BaselineRecord
from symcere_jax.cli import startup
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, SHOWN_METRICS
from symcere_jax.report.tables import Table, plus_minus
from symcere_jax.study.comparison import RunScores, compare_runs
from symcere_jax.study.scoring import score_run
from symcere_jax.training import EXPERTS_FOLDER

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_METHODS = flags.DEFINE_list("methods", list(METHODS), "baselines to compare with")
_TRIALS = flags.DEFINE_integer("trials", 12, "settings that each baseline tries", lower_bound=1)
_SEEDS = flags.DEFINE_integer("seeds", 5, "number of seeds, from 0", lower_bound=1)
_DETAILS = flags.DEFINE_string("details", None, "name of a data set to show more metrics of")

DEFAULTS = "SymCERE, defaults"
EXPERTS = {"its graph expert alone": "graph", "its aligned expert alone": "aligned"}
OURS = (*EXPERTS, DEFAULTS)  # the last rows of the table
DETAILS = (*SHOWN_METRICS, "coverage@10", "popularity@10")


def run_baselines(dataset: Path, workdir: Path) -> dict[str, Path]:
    """Tunes and scores what is missing; returns the folder of each method's seeds."""
    binaries.run(
        "launch/baselines.py",
        *(f"--dataset={dataset}", f"--workdir={workdir}", f"--methods={','.join(_METHODS.value)}"),
        *(f"--trials={_TRIALS.value}", f"--seeds={_SEEDS.value}"),
    )
    return {METHODS[name].title: workdir / name for name in _METHODS.value}


def score_experts(dataset: ReviewDataset, workdir: Path) -> dict[str, Path]:
    """Scores each expert of the runs with defaults; returns the folder of each one's seeds."""
    folders = {title: workdir / expert for title, expert in EXPERTS.items()}
    for title, folder in folders.items():
        for seed in range(_SEEDS.value):
            run = workdir / "symcere" / f"seed_{seed}" / EXPERTS_FOLDER / EXPERTS[title]
            if not run.exists():
                return {}
            scored = folder / f"seed_{seed}"
            if not scored.exists():
                _, files = score_run(run, dataset, "test")
                scored.mkdir(parents=True)
                for path in files:
                    shutil.copy(path, scored)
    return folders


def compare(
    dataset: ReviewDataset, baselines: Mapping[str, Path], ours: Mapping[str, Path]
) -> dict[str, RunScores]:
    """Scores of each method, tested against the first one: the baseline that is best on valid."""
    best = max(baselines.values(), key=lambda each: BaselineRecord.read(each, dataset).best.score)
    folders = {folder: title for title, folder in {**baselines, **ours}.items()}
    places = [best, *(folder for folder in folders if folder != best)]
    runs = compare_runs(places, dataset).runs
    return {folders[place]: run for place, run in zip(places, runs, strict=True)}


def results_table(results: Mapping[str, Mapping[str, RunScores]]) -> str:
    """A Markdown table: a row a method, a column a data set."""
    rows = []
    titles = list(dict.fromkeys(title for scores in results.values() for title in scores))
    titles.sort(key=lambda title: OURS.index(title) if title in OURS else -1)
    for title in titles:
        rows.append([title, *(_score(scores, title) for scores in results.values())])
    rows.append(["best baseline on validation", *(next(iter(each)) for each in results.values())])
    rows.append([f"{DEFAULTS}, against that baseline", *map(_gain, results.values())])
    errors = [f"{next(iter(scores.values())).standard_error:.4f}" for scores in results.values()]
    rows.append(["standard error over users (that baseline)", *errors])
    table = Table([f"test {PRIMARY_METRIC}", *results], rows, 1 + len(results)).markdown()
    ratios = [each[DEFAULTS].mean / next(iter(each.values())).mean for each in results.values()]
    return (
        f"{table}\n\nSymCERE with its defaults has {np.exp(np.mean(np.log(ratios))):.2f} times the "
        f"NDCG@10 of the baseline that is best on validation,\nfrom {min(ratios):.2f} to "
        f"{max(ratios):.2f} (geometric mean of {len(ratios)} data sets).\n"
    )


def _score(scores: Mapping[str, RunScores], title: str) -> str:
    """Mean ± standard deviation over seeds; the best of a data set is bold."""
    run = scores.get(title)
    if run is None:
        return ""
    text = plus_minus(run.mean, run.seed_std)
    return f"**{text}**" if run.mean == max(other.mean for other in scores.values()) else text


def _gain(scores: Mapping[str, RunScores]) -> str:
    """Relative gain over the first of the scores, with the p-value of the difference."""
    reference, run = next(iter(scores.values())), scores[DEFAULTS]
    assert run.test is not None
    return f"{run.mean / reference.mean - 1:+.1%} (p = {run.test.p_permutation_holm:.2g})"


def details_table(name: str, seeds: list[dict[str, float]]) -> str:
    """More metrics of the seeds of one model."""
    rows = []
    for metric in DETAILS:
        values = [scores[metric] for scores in seeds]
        mean = tables.mean_and_spread(values, 4 if np.mean(values) < 1 else 1)
        rows.append({f"{name}, test, seeds: {len(seeds)}": metric, "mean ± over seeds": mean})
    return tables.markdown(rows, 2)


def main() -> None:
    """Runs, compares and shows the tables."""
    results = {}
    for path in map(Path, _DATASETS.value):
        dataset = ReviewDataset.load(path)
        workdir = Path(_WORKDIR.value) / dataset.name
        ours = [
            binaries.train_and_score(workdir / "symcere" / f"seed_{seed}", path, f"--seed={seed}")
            for seed in range(_SEEDS.value)
        ]
        baselines = run_baselines(path, workdir / "baselines")
        experts = score_experts(dataset, workdir)
        results[dataset.name] = compare(
            dataset, baselines, experts | {DEFAULTS: workdir / "symcere"}
        )
        if dataset.name == _DETAILS.value:
            tables.publish(details_table(dataset.name, ours), dataset.name)
    tables.publish(results_table(results), "results")


if __name__ == "__main__":
    startup.run(main)
