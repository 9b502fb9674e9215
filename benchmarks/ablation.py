r"""The ablations of the documentation: launch/ablate.py, and its table into a Markdown file.

  python benchmarks/ablation.py --dataset=data/tripadvisor --workdir=runs/ablation/tripadvisor \
    --variants=configs/ablations/claims.json --seeds=1 --update=docs/ablation.md

Runs that are complete are not repeated.
"""

import subprocess
import sys
from pathlib import Path

import tables
from absl import flags
from seeds import LAUNCH

from symcere_jax.cli import app as cli

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_VARIANTS = flags.DEFINE_string(
    "variants", "configs/ablations/paper.json", "JSON of the variants; see launch/ablate.py"
)
_SEEDS = flags.DEFINE_integer("seeds", 5, "number of seeds, from 0", lower_bound=1)
_LABEL = flags.DEFINE_string("label", "ablation", "marks the table's place in the Markdown file")
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")


def main() -> None:
    """Runs what is missing and shows the table."""
    command = [sys.executable, str(LAUNCH / "ablate.py"), f"--dataset={_DATASET.value}"]
    command += [f"--workdir={_WORKDIR.value}", f"--variants={_VARIANTS.value}"]
    subprocess.run([*command, f"--seeds={_SEEDS.value}"], check=True, stdout=sys.stderr)
    _, text = (Path(_WORKDIR.value) / "ablation.md").read_text().split("\n\n", 1)
    text = text.strip()
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), _LABEL.value, text)


if __name__ == "__main__":
    cli.run(main)
