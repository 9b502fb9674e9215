r"""Trains and scores variants of the model that lack a part, over several seeds.

  python launch/ablate.py --dataset=data/shop --workdir=runs/ablation/shop --seeds=5

Each run is trained in WORKDIR/VARIANT/seed_N with the settings given here and the changes of its
variant, and scored once on the test split. After an interrupt, the same command resumes; complete
runs are not repeated. It writes ablation.md, ablation.json and ablation.svg into the workdir:

  - test NDCG@10, mean ± standard deviation over seeds;
  - the difference to the first variant, by a paired test over users with Holm's correction;
  - popularity of what is recommended, and whether the norm of an embedding encodes it.

The file of variants is JSON; the others are compared with the first one:

  {"full": {}, "no_text": {"text_encoder": "none"}, "one_layer": {"n_layers": 1}}
"""

import contextlib
import sys
from pathlib import Path

from absl import flags

from symcere_jax.cli import experiments, field_flags, startup, training_runs
from symcere_jax.settings import Settings

_SEEDS = flags.DEFINE_integer("seeds", 5, "number of seeds, counted from --seed", 1)
_VARIANTS = flags.DEFINE_string(
    "variants",
    "configs/ablations/paper.json",
    "JSON file of the variants; the default file is in a checkout",
)


def main() -> None:
    """Runs the variants and prints the table."""
    from symcere_jax.cli.progress import RunsBar
    from symcere_jax.report import ablation_document
    from symcere_jax.report.documents import write_document
    from symcere_jax.study.ablation import read_variants, run_ablation

    variants = read_variants(_VARIANTS.value)
    dataset = training_runs.open_dataset(Path(experiments.DATASET.value))
    workdir = Path(experiments.WORKDIR.value)
    with training_runs.stop_on_signals() as stop, contextlib.closing(RunsBar("run")) as bar:
        scores = run_ablation(
            field_flags.read(Settings, experiments.SETTINGS),
            dataset,
            workdir,
            variants,
            seeds=_SEEDS.value,
            processes=experiments.PROCESSES.value,
            observer=bar,
            should_stop=stop.is_set,
        )
    if scores is None:
        print("stopped; the same command resumes")
        sys.exit(startup.PREEMPTED)
    document = ablation_document.ablation_document(scores)
    print(document.markdown())
    for path in write_document(document, scores, workdir, ablation_document.NAME):
        print(path)
