r"""Makes the tables and plots of docs/explaining.md: anchoring, popularity bias, a report.

On real reviews; runs of the workdir that are complete are not repeated:

  python benchmarks/quality/explaining.py --flagfile=configs/tripadvisor.flags \
    --dataset=data/tripadvisor --workdir=runs/explaining --seeds=3 --update=docs/explaining.md \
    --images=docs/images

On generated reviews, where it is known which words state facts (about ten minutes):

  python benchmarks/quality/explaining.py --planted --workdir=runs/planted \
    --update=docs/explaining.md

Flags that this program does not know are handed to launch/train.py. Of the report, screenshots are
made where Chromium is installed.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import binaries, tables
from symcere_jax.prepare.pipeline import prepare
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.text import LsaEncoder

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder")
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_REVIEWS = flags.DEFINE_integer("reviews", 100, "reviews to explain", lower_bound=2)
_PLANTED = flags.DEFINE_bool("planted", False, "generated reviews instead of --dataset")
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose tables are replaced")
_IMAGES = flags.DEFINE_string("images", None, "folder that gets plots and screenshots")

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
    for seed in range(_SEEDS.value):
        for name, changes in (BIAS if seed else BIAS | ALIGNED).items():
            run, arguments = work / name / f"seed_{seed}", [*train_flags, *changes]
            binaries.train_and_score(run, dataset, *arguments, f"--seed={seed}")
    runs = [f"--dataset={dataset}", "--runs=" + ",".join(str(work / name) for name in BIAS)]
    binaries.run("launch/bias.py", *runs, f"--output={work / 'bias'}")
    for label, table in zip(("bias", "deciles"), tables_of(work / "bias/bias.md"), strict=True):
        tables.publish(table, label, _UPDATE.value)
    anchoring(work, dataset, "anchoring", ["full", "no_cross_modal"])
    anchoring(work, dataset, "anchoring_graph", list(ALIGNED), "--notext_model")
    extras = f"--extras={work / 'anchoring'},{work / 'anchoring_graph'}"
    report = work / "report.html"
    binaries.run("launch/report.py", *runs, extras, f"--output={report}")
    if _IMAGES.value:
        images = Path(_IMAGES.value)
        images.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "bias/bias.png", images / "bias.png")
        for name in ("anchoring", "anchoring_graph"):
            shutil.copy(work / name / "anchoring.png", images / f"{name}.png")
        take_screenshots(report, images)


def anchoring(work: Path, dataset: Path, label: str, names: list[str], *arguments: str) -> None:
    """Explains reviews for the first seed of runs, unless that is done, and shows the tables."""
    explain(work / label, dataset, [work / name / "seed_0" for name in names], *arguments)
    parts = ("contributions", "gaps", "factual", "sentiment")
    for part, table in zip(parts, tables_of(work / label / "anchoring.md"), strict=True):
        tables.publish(table, f"{label} {part}", _UPDATE.value)


def explain(output: Path, dataset: Path, runs: list[Path], *arguments: str) -> None:
    """Starts launch/anchoring.py, unless that is done."""
    if not (output / "anchoring.md").exists():
        places = [f"--dataset={dataset}", f"--runs={','.join(map(str, runs))}"]
        places += [f"--output={output}", f"--reviews={_REVIEWS.value}"]
        binaries.run("launch/anchoring.py", *places, *arguments)


def take_screenshots(report: Path, images: Path) -> None:
    """The top of a report, as on a desk and on a phone, where Chromium is installed."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium: no screenshots", file=sys.stderr)
        return
    from PIL import Image

    # Chromium's window has a least width; a frame has not.
    frame = report.with_name("frame.html")
    for name, width, height in (("desktop", 1200, 1700), ("phone", 390, 1700)):
        size = f"width:{width}px;height:{height}px"
        frame.write_text(
            f'<body style="margin:0"><iframe src="{report.name}" style="border:0;{size}"></iframe>'
        )
        shot = images / f"report-{name}.png"
        with tempfile.TemporaryDirectory() as profile:
            command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            command += [f"--user-data-dir={profile}", f"--window-size={max(width, 500)},{height}"]
            command += [f"--screenshot={shot.resolve()}", frame.resolve().as_uri()]
            subprocess.run(command, check=True, capture_output=True)
        with Image.open(shot) as image:
            image.convert("RGB").crop((0, 0, width, height)).quantize(128).save(shot, optimize=True)
    frame.unlink()


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
    tables.publish(tables.markdown(header, rows, n_words=2), "planted", _UPDATE.value)


def planted_models(share: float, seed: int) -> list[dict]:
    """Generates reviews, trains and explains, unless that is done; what anchoring.json says."""
    folder = Path(_WORKDIR.value) / f"share_{share}" / f"seed_{seed}"
    data = folder / "data"
    if not data.exists():
        settings = PrepareSettings(source="synthetic", output=data, seed=seed)
        prepare(settings, encoder=LsaEncoder(width=64, max_item_share=share))
    for name, changes in ALIGNED.items():
        arguments = [*changes, f"--seed={seed}", "--epochs=10"]
        binaries.train_and_score(folder / name, data, *arguments)
    runs = [folder / name for name in ALIGNED]
    explain(folder / "anchoring", data, runs, f"--seed={seed}")
    return json.loads((folder / "anchoring/anchoring.json").read_text())["models"]


def main(arguments: list[str]) -> None:
    """Makes the tables that are asked for."""
    if _PLANTED.value:
        explain_planted()
    elif _DATASET.value:
        explain_real(arguments[1:])
    else:
        sys.exit("error: give --dataset, or --planted for generated reviews")


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
