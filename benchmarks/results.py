r"""SymCERE beside other recommenders, on several data sets: the table of results of the README.

  python benchmarks/results.py --datasets=data/tripadvisor,data/gift_cards,data/magazines \
    --workdir=runs/results --seeds=5 --update=README.md

On each data set the baselines are tuned on the validation split (launch/baselines.py), SymCERE is
trained with its defaults, with text and without, and, where --configs has NAME.flags, with those;
each is scored on the test split once a seed. Everything lies in WORKDIR/NAME; what is complete is
not repeated. Scores are compared with the best baseline by a permutation test over users, with
Holm's correction.
"""

import subprocess
import sys
from pathlib import Path

import tables
from absl import flags
from seeds import LAUNCH, run_seed

from symcere_jax.baselines import METHODS
from symcere_jax.cli import app as cli
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC
from symcere_jax.study.comparison import Comparison, RunScores, compare_runs

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_CONFIGS = flags.DEFINE_string("configs", "configs", "folder of the data sets' own flag files")
_METHODS = flags.DEFINE_list("methods", list(METHODS), "baselines to compare with")
_LEAVE_OUT = flags.DEFINE_list(
    "leave_out", [], "baselines not to run on a data set: NAME/METHOD, such as shop/simgcl"
)
_BUDGET = flags.DEFINE_integer("budget", 12, "settings that each baseline tries", lower_bound=1)
_SEEDS = flags.DEFINE_integer("seeds", 5, "number of seeds, from 0", lower_bound=1)
_METRIC = flags.DEFINE_string("metric", PRIMARY_METRIC, "metric of the table")
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")

DEFAULTS, OWN = "SymCERE, defaults", "SymCERE, own flags"
NO_TEXT = "SymCERE, defaults, without text"
OURS = (NO_TEXT, DEFAULTS, OWN)  # the last rows of the table


def run_all(dataset: Path, workdir: Path) -> dict[str, Path]:
    """Runs what is missing on one data set; returns the folder of each method's seeds."""
    baselines, dataset_name = workdir / "baselines", ReviewDataset.load(dataset).name
    methods = [name for name in _METHODS.value if f"{dataset_name}/{name}" not in _LEAVE_OUT.value]
    command = [sys.executable, str(LAUNCH / "baselines.py"), f"--dataset={dataset}"]
    command += [f"--workdir={baselines}", f"--methods={','.join(methods)}"]
    command += [f"--budget={_BUDGET.value}", f"--seeds={_SEEDS.value}"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    folders = {METHODS[name].title: baselines / name for name in methods}
    own_flags = Path(_CONFIGS.value) / f"{dataset_name}.flags"
    ours = {
        NO_TEXT: (workdir / "symcere_no_text", ["--text_encoder=none"]),
        DEFAULTS: (workdir / "symcere", []),
    }
    if own_flags.exists():
        ours[OWN] = (workdir / "symcere_own", [f"--flagfile={own_flags}"])
    for title, (folder, arguments) in ours.items():
        for seed in range(_SEEDS.value):
            run_seed(seed, arguments, dataset=dataset, workdir=folder)
        folders[title] = folder
    return folders


def compare(dataset: Path, folders: dict[str, Path]) -> dict[str, RunScores]:
    """Scores of each method, tested against the best baseline."""
    loaded = ReviewDataset.load(dataset)
    titles = list(folders)

    def scores(order: list[str]) -> Comparison:
        return compare_runs([folders[title] for title in order], loaded, metric=_METRIC.value)

    means = dict(zip(titles, (run.mean for run in scores(titles).runs), strict=True))
    best = max(set(titles) - set(OURS), key=lambda title: means[title])
    order = [best, *(title for title in titles if title != best)]
    return dict(zip(order, scores(order).runs, strict=True))


def cell(scores: RunScores | None, best: float) -> str:
    """Mean ± standard deviation over seeds, and the gain over the best baseline."""
    if scores is None:
        return ""
    text = f"{scores.mean:.4f}"
    if scores.seed_std is not None:
        text += f" ± {scores.seed_std:.4f}"
    return f"**{text}**" if scores.mean == best else text


def table(results: dict[str, dict[str, RunScores]]) -> str:
    """A Markdown table: a row a method, a column a data set."""
    rows = [f"| test {_METRIC.value} | {' | '.join(results)} |", f"|---|{'---|' * len(results)}"]
    titles = list(dict.fromkeys(title for scores in results.values() for title in scores))
    titles.sort(key=lambda title: OURS.index(title) if title in OURS else -1)
    best = {name: max(run.mean for run in scores.values()) for name, scores in results.items()}
    for title in titles:
        cells = [cell(scores.get(title), best[name]) for name, scores in results.items()]
        rows.append(f"| {title} | {' | '.join(cells)} |")
    for title in (DEFAULTS, OWN):
        cells = [_gain(scores, title) for scores in results.values()]
        if any(cells):
            rows.append(f"| {title}, against the best baseline | {' | '.join(cells)} |")
    errors = [f"{next(iter(scores.values())).standard_error:.4f}" for scores in results.values()]
    rows.append(f"| standard error over users (best baseline) | {' | '.join(errors)} |")
    return "\n".join(rows)


def _gain(scores: dict[str, RunScores], title: str) -> str:
    """Relative gain over the first of the scores, with the p-value of the difference."""
    reference, run = next(iter(scores.values())), scores.get(title)
    if run is None or run.test is None:
        return ""
    return f"{run.mean / reference.mean - 1:+.1%} (p = {run.test.p_permutation_holm:.2g})"


def main() -> None:
    """Runs, compares and shows the table."""
    results = {}
    for folder in map(Path, _DATASETS.value):
        name = ReviewDataset.load(folder).name
        results[name] = compare(folder, run_all(folder, Path(_WORKDIR.value) / name))
    text = table(results)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "results", text)


if __name__ == "__main__":
    cli.run(main)
