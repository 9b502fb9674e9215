r"""Searches for the settings that score best on the validation split.

  python launch/tune.py --dataset=data/shop --workdir=runs/tune/shop --trials=40

Each trial is a training run in WORKDIR/trial_N; the first one has the settings given here. The test
split is never read. After an interrupt, the same command resumes; a larger --trials continues the
search. It writes best.flags, trials.csv and history.svg into the workdir:

  python launch/train.py --flagfile=runs/tune/shop/best.flags --dataset=data/shop \
    --workdir=runs/shop

Which settings are searched depends on the data; the command prints them. --space gives others, as
intervals, intervals on a logarithmic scale, and lists of values:

  --space="n_layers=1..4 temperature=0.05..0.5:log batch_size=256,512,1024"
"""

import contextlib
import sys
from pathlib import Path

from absl import flags

from symcere_jax import hints
from symcere_jax.cli import experiments, field_flags, startup, training_runs
from symcere_jax.optional import require
from symcere_jax.settings import Settings

_TRIALS = flags.DEFINE_integer("trials", 40, "trials in all, including those of earlier calls", 1)
_SPACE = flags.DEFINE_string("space", None, "settings to search; default: what suits the data")
_PRUNE = flags.DEFINE_bool("prune", True, "stop trials that are worse than most others")


def main() -> None:
    """Searches, and prints the best trial."""
    from symcere_jax.cli.progress import RunsBar
    from symcere_jax.models import resolve

    require("optuna", extra="tune")
    from symcere_jax.report.search_files import FLAGS, write_search
    from symcere_jax.study.search import search, searched_expert
    from symcere_jax.study.space import default_space

    dataset = training_runs.open_dataset(Path(experiments.DATASET.value))
    settings = field_flags.read(Settings, experiments.SETTINGS)
    settings = settings.replace(experts=searched_expert(settings, dataset))
    workdir = Path(experiments.WORKDIR.value)
    space = _SPACE.value
    if space is None:
        space = default_space(resolve(settings, dataset))
    print(f'--space="{space}"')
    with training_runs.stop_on_signals() as stop, contextlib.closing(RunsBar("trial")) as bar:
        result = search(
            settings,
            dataset,
            workdir,
            space,
            trials=_TRIALS.value,
            processes=experiments.PROCESSES.value,
            prune=_PRUNE.value,
            observer=bar,
            should_stop=stop.is_set,
        )
    for path in write_search(result, workdir, dataset.name):
        print(path)
    if result.best is None:
        print(f"none of {len(result.trials)} trials is complete")
    else:
        places = {"flagfile": workdir / FLAGS, "dataset": dataset.folder, "workdir": "WORKDIR"}
        print(
            f"best: trial {result.best.number}, valid ndcg@10 {result.best.score:.4f}\n"
            f"next: {hints.command('train', **places)}"
        )
    if result.stopped:
        print("stopped; the same command resumes")
        sys.exit(startup.PREEMPTED)
