r"""Makes the tables and plots of docs/explaining.md: anchoring, popularity bias, a report.

On real reviews; runs of the workdir that are complete are not repeated:

  python -m benchmarks.quality.explaining --flagfile=configs/tripadvisor.flags \
    --dataset=data/tripadvisor --workdir=runs/explaining --seeds=3 --update=docs/explaining.md \
    --images=docs/images

On generated reviews, where it is known which words state facts (about ten minutes):

  python -m benchmarks.quality.explaining --planted --workdir=runs/planted \
    --update=docs/explaining.md

Flags that this program does not know are handed to launch/train.py.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.text import LsaEncoder

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder")
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_REVIEWS = flags.DEFINE_integer("reviews", 100, "reviews to explain", lower_bound=2)
_PLANTED = flags.DEFINE_bool("planted", False, "generated reviews instead of --dataset")
_IMAGES = flags.DEFINE_string("images", None, "folder that gets the plots")

BIAS = {
    "full": [],
    "no_normalization": ["--nonormalize"],
    "no_cross_modal": ["--cross_modal_weight=0"],
}
# Graph embeddings that learn ten times faster: at the default their share of a score is tiny.
LEARNS = "--embedding_learning_rate=1e-4"
ALIGNED = {
    "graph_learns": [LEARNS, "--epochs=4", "--cross_modal_weight=1"],
    "graph_learns_no_cross_modal": [LEARNS, "--epochs=4", "--cross_modal_weight=0"],
}


def tables_of(path: Path) -> list[str]:
    """The Markdown tables of a file."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    return [block.strip() for block in blocks if block.startswith("|")]


def explain_real(train_flags: list[str]) -> None:
    """Trains the variants; bias, anchoring, report."""
    work, dataset = Path(_WORKDIR.value), Path(_DATASET.value)
    for name, changes in (BIAS | ALIGNED).items():
        n_seeds = _SEEDS.value if name in BIAS else 1
        binaries.train_and_score(work / name, dataset, n_seeds, *train_flags, *changes)
    runs = [f"--dataset={dataset}", "--runs=" + ",".join(str(work / name) for name in BIAS)]
    binaries.run("launch/bias.py", *runs, f"--output={work / 'bias'}")
    for label, table in zip(("bias", "deciles"), tables_of(work / "bias/bias.md"), strict=True):
        tables.publish(table, label)
    anchoring(work, dataset, "anchoring", ["full", "no_cross_modal"])
    anchoring(work, dataset, "anchoring_graph", list(ALIGNED), "--notext_model")
    extras = f"--extras={work / 'anchoring'},{work / 'anchoring_graph'}"
    binaries.run("launch/report.py", *runs, extras, f"--output={work / 'report.html'}")
    if _IMAGES.value:
        images = Path(_IMAGES.value)
        images.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "bias/bias.png", images / "bias.png")
        for name in ("anchoring", "anchoring_graph"):
            shutil.copy(work / name / "anchoring.png", images / f"{name}.png")


def anchoring(work: Path, dataset: Path, label: str, names: list[str], *arguments: str) -> None:
    """Explains reviews for the first seed of runs, unless that is done, and shows the tables."""
    explain(work / label, dataset, [work / name / "seed_0" for name in names], *arguments)
    parts = ("contributions", "gaps", "factual", "sentiment")
    for part, table in zip(parts, tables_of(work / label / "anchoring.md"), strict=True):
        tables.publish(table, f"{label} {part}")


def explain(output: Path, dataset: Path, runs: list[Path], *arguments: str) -> None:
    """Starts launch/anchoring.py, unless that is done."""
    if not (output / "anchoring.md").exists():
        places = [f"--dataset={dataset}", f"--runs={','.join(map(str, runs))}"]
        places += [f"--output={output}", f"--reviews={_REVIEWS.value}"]
        binaries.run("launch/anchoring.py", *places, *arguments)


def explain_planted() -> None:
    """How well contributions tell planted facts from planted sentiment."""
    rows: list[list[str]] = []
    for share, title in ((0.5, "LSA, as by default"), (1.0, "LSA, with words that all items have")):
        scores: dict[str, list[tuple[float, float]]] = {}
        for seed in range(_SEEDS.value):
            for model in planted_models(share, seed):
                pair = (model["auc"], 100 * model["gap"]["difference"])
                scores.setdefault(model["name"], []).append(pair)
        for name, values in scores.items():
            aucs, gaps = zip(*values, strict=True)
            rows.append([title, name, tables.mean_and_spread(aucs, 3), f"{np.mean(gaps):+.1f}"])
    header = ["text features", "model", "AUC ± over seeds", "gap, points"]
    tables.publish(tables.markdown(header, rows, n_words=2), "planted")


def planted_models(share: float, seed: int) -> list[dict]:
    """Generates reviews, trains and explains, unless that is done; what anchoring.json says."""
    folder = Path(_WORKDIR.value) / f"share_{share}" / f"seed_{seed}"
    data = folder / "data"
    if not data.exists():
        settings = PrepareSettings(source="synthetic", output=data, seed=seed)
        prepare(settings, encoder=LsaEncoder(width=64, max_item_share=share))
    for name, changes in ALIGNED.items():
        arguments = [*changes, f"--seed={seed}", "--epochs=10"]
        binaries.train_and_score_seed(folder / name, data, *arguments)
    runs = [folder / name for name in ALIGNED]
    explain(folder / "anchoring", data, runs, f"--seed={seed}")
    return json.loads((folder / "anchoring/anchoring.json").read_text())["models"]


def main(train_flags: list[str]) -> None:
    """Makes the tables that are asked for."""
    if _PLANTED.value:
        explain_planted()
    elif _DATASET.value:
        explain_real(train_flags)
    else:
        sys.exit("error: give --dataset, or --planted for generated reviews")


if __name__ == "__main__":
    binaries.run_with_train_flags(main)
