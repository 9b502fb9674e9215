r"""Tunes and scores other recommenders by the same protocol.

  python launch/baselines.py --dataset=data/shop --workdir=runs/baselines/shop

Each method tries --trials settings on the validation split. The best ones are scored on the test
split, once per seed. To run only some methods:

  python launch/baselines.py --dataset=data/shop --workdir=runs/baselines/shop \
    --methods=popularity,ease,lightgcn --trials=20

The workdir gets baselines.md, baselines.json and, for each method, settings.json and the scores of
each seed, which `symcere compare` reads. After an interrupt, the same command resumes.

iALS needs pip install 'symcere-jax[baselines]'. Without --methods, methods that cannot run are
skipped, with the reason.
"""

import re
from pathlib import Path

from absl import flags

from symcere_jax.cli import startup
from symcere_jax.errors import ConfigError, SymcereError
from symcere_jax.folders import BASELINES, check_output_folder

ALL = "all"


def _method_names() -> list[str]:
    """The keys of `baselines.METHODS`, from its source: importing it would take seconds."""
    source = Path(__file__).parents[3] / "baselines" / "methods.py"
    return re.findall(r'^    "(\w+)": ', source.read_text(encoding="utf-8"), re.M)


_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the results", required=True)
_METHODS = flags.DEFINE_list(
    "methods", [ALL], f"which methods: {ALL}, or some of {', '.join(_method_names())}"
)
_TRIALS = flags.DEFINE_integer("trials", 12, "number of settings that each method tries", 1)
_SEEDS = flags.DEFINE_integer("seeds", 5, "number of seeds for each method that is random", 1)


def main() -> None:
    """Runs the methods, one after the other, and prints a table of them."""
    from rich.console import Console

    from symcere_jax.baselines.methods import METHODS
    from symcere_jax.baselines.runs import BaselineSummary, run_baseline
    from symcere_jax.cli.progress import counting_bar
    from symcere_jax.data import ReviewDataset
    from symcere_jax.report.score_tables import baselines_table, write_baselines

    dataset = ReviewDataset.load(_DATASET.value)
    workdir = Path(_WORKDIR.value)
    check_output_folder(workdir, _WORKDIR.name, BASELINES)
    asked_for = [] if _METHODS.value == [ALL] else list(dict.fromkeys(_METHODS.value))
    rows: list[BaselineSummary] = []
    if unknown := set(asked_for) - set(METHODS):
        raise ConfigError(
            f"no baseline is called {unknown.pop()!r}; there are: {', '.join(METHODS)}"
        )
    skipped: dict[str, str] = {}
    for name in asked_for or METHODS:
        try:
            with counting_bar("fit", METHODS[name].title) as show:
                record = run_baseline(
                    name, dataset, workdir, trials=_TRIALS.value, seeds=_SEEDS.value, progress=show
                )
        except SymcereError as error:
            if asked_for:
                raise
            skipped[name] = str(error)
            startup.say(f"{METHODS[name].title}: left out: {error}")
        else:
            rows.append(BaselineSummary.read(record, workdir))
            row = rows[-1]
            scores = f"valid {row.valid:.4f}, test {row.test:.4f}"
            startup.say(f"{row.title}: {scores}, {row.seconds:.0f} s")
    if not rows:
        raise SymcereError(f"no method could run: {next(iter(skipped.values()))}")
    paths = write_baselines(rows, skipped, dataset, workdir)
    Console().print(baselines_table(rows).terminal(f"{dataset.name}, NDCG@10"))
    for path in paths:
        print(path)
