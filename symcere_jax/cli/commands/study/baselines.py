r"""Tunes other recommenders and scores them, all by the same protocol.

  python launch/baselines.py --dataset=data/shop --workdir=runs/baselines/shop

Each method tries as many settings on the validation split (--budget); the best ones are then
scored on the test split, once a seed. Some of them only:

  python launch/baselines.py --dataset=data/shop --workdir=runs/baselines/shop \
    --methods=popularity,ease,lightgcn --budget=20

The workdir gets baselines.md, baselines.json and, for each method, settings.json and the scores of
each seed, which launch/compare.py reads. Stopped, the same command goes on from there.

iALS needs pip install 'symcere-jax[baselines]'. Methods that cannot run are left out of "all", with
the reason.
"""

import sys
from pathlib import Path

from absl import flags
from rich.console import Console
from tqdm import tqdm

from symcere_jax.baselines import (
    METHODS,
    BaselineSummary,
    count_steps,
    run_baseline,
    summarize_baseline,
)
from symcere_jax.cli import app as cli
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import SymcereError
from symcere_jax.report.score_tables import baselines_table, write_baselines

ALL = "all"

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the results", required=True)
_METHODS = flags.DEFINE_list(
    "methods", [ALL], f"which methods: {ALL}, or some of {', '.join(METHODS)}"
)
_BUDGET = flags.DEFINE_integer("budget", 12, "settings that each method tries", 1)
_SEEDS = flags.DEFINE_integer("seeds", 5, "trainings of the chosen settings, if random", 1)


def main() -> None:
    """Runs the methods, one after the other, and prints a table of them."""
    dataset = ReviewDataset.load(_DATASET.value)
    workdir = Path(_WORKDIR.value)
    any_method = _METHODS.value == [ALL]
    names = list(METHODS) if any_method else list(dict.fromkeys(_METHODS.value))
    steps = {name: count_steps(name, _BUDGET.value, _SEEDS.value) for name in names}
    rows: list[BaselineSummary] = []
    skipped: dict[str, str] = {}
    with tqdm(total=sum(steps.values()), unit="fit", disable=not sys.stderr.isatty()) as bar:

        def show(words: str) -> None:
            bar.set_description(words, refresh=False)
            bar.update()

        for place, name in enumerate(names, start=1):
            try:
                record = run_baseline(
                    name,
                    dataset,
                    workdir,
                    budget=_BUDGET.value,
                    seeds=_SEEDS.value,
                    progress=show,
                )
            except SymcereError as error:
                if not any_method:
                    raise
                skipped[name] = str(error)
                bar.write(f"{METHODS[name].title}: left out: {error}", file=sys.stderr)
            else:
                rows.append(summarize_baseline(record, workdir))
                bar.write(_describe(rows[-1]), file=sys.stderr)
            bar.update(sum(steps[done] for done in names[:place]) - bar.n)
    if not rows:
        raise SymcereError(f"no method could run: {next(iter(skipped.values()))}")
    paths = write_baselines(rows, skipped, dataset, workdir)
    Console().print(baselines_table(rows).terminal(f"{dataset.name}, NDCG@10"))
    for path in paths:
        print(path)


def _describe(row: BaselineSummary) -> str:
    return f"{row.title}: valid {row.valid:.4f}, test {row.test:.4f}, {row.seconds:.0f} s"


def run() -> None:
    """The installed command."""
    cli.run(main)
