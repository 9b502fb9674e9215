r"""The ablations of the documentation: launch/ablate.py, and its table into a Markdown file.

  python benchmarks/quality/ablation_table.py --dataset=data/tripadvisor \
    --workdir=runs/ablation/tripadvisor --variants=configs/ablations/claims.json --seeds=1 \
    --update=docs/ablation.md

Runs that are complete are not repeated.
"""

import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import binaries, tables
from symcere_jax.cli import app as cli

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_VARIANTS = flags.DEFINE_string(
    "variants", "configs/ablations/paper.json", "JSON of the variants; see launch/ablate.py"
)
_SEEDS = flags.DEFINE_integer("seeds", 5, "number of seeds, from 0", lower_bound=1)
_LABEL = flags.DEFINE_string("label", "ablation", "marks of the table in the Markdown file")
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")


def main() -> None:
    """Runs what is missing and shows the table."""
    binaries.run(
        "launch/ablate.py",
        *(f"--dataset={_DATASET.value}", f"--workdir={_WORKDIR.value}"),
        *(f"--variants={_VARIANTS.value}", f"--seeds={_SEEDS.value}"),
    )
    _, text = (Path(_WORKDIR.value) / "ablation.md").read_text().split("\n\n", 1)
    tables.publish(text.strip(), _LABEL.value, _UPDATE.value)


if __name__ == "__main__":
    cli.run(main)
