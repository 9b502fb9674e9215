r"""Makes the tables and plots of docs/explaining.md: anchoring, popularity bias, a report.

On real reviews; runs of the workdir that are complete are not repeated:

  python benchmarks/explaining.py --flagfile=configs/tripadvisor.flags --dataset=data/tripadvisor \
    --workdir=runs/explaining --seeds=3 --update=docs/explaining.md --images=docs/images

On generated reviews, where it is known which words state facts (about ten minutes):

  python benchmarks/explaining.py --planted --workdir=runs/planted --update=docs/explaining.md

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
import tables
from absl import app, flags

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder")
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_REVIEWS = flags.DEFINE_integer("reviews", 100, "reviews to explain", lower_bound=2)
_PLANTED = flags.DEFINE_bool("planted", False, "generated reviews instead of --dataset")
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose tables are replaced")
_IMAGES = flags.DEFINE_string("images", None, "folder that gets plots and screenshots")

ROOT = Path(__file__).resolve().parents[1]
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
PREPARE = """
import sys
from pathlib import Path
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.pipeline import prepare
from symcere_jax.text import LsaEncoder
folder, seed, share = sys.argv[1:]
config = PrepareSettings(source="synthetic", output=Path(folder), seed=int(seed))
prepare(config, encoder=LsaEncoder(width=64, max_item_share=float(share)))
"""


def binary(name: str, *arguments: object) -> None:
    """Runs a binary of the project; its tables go to stderr."""
    command = [sys.executable, str(ROOT / name), *map(str, arguments)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def train(workdir: Path, dataset: Path, *arguments: str) -> None:
    """Trains and scores a run, unless that is done."""
    if not (workdir / "per_user_test.npz").exists():
        where = [f"--dataset={dataset}", f"--workdir={workdir}"]
        binary("launch/train.py", *arguments, *where)
        binary("launch/evaluate.py", *where, "--split=test")


def update(label: str, text: str) -> None:
    """Prints a table, and puts it between its marks."""
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), label, text)


def tables_of(path: Path) -> list[str]:
    """The Markdown tables of a file."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    return [block.strip() for block in blocks if block.startswith("|")]


def real(train_flags: list[str]) -> None:
    """Trains the variants; bias, anchoring, report."""
    work, dataset = Path(_WORKDIR.value), Path(_DATASET.value)
    for seed in range(_SEEDS.value):
        for name, changes in (BIAS if seed else BIAS | ALIGNED).items():
            train(work / name / f"seed_{seed}", dataset, *train_flags, *changes, f"--seed={seed}")
    runs = ",".join(str(work / name) for name in BIAS)
    binary("launch/bias.py", f"--dataset={dataset}", f"--runs={runs}", f"--output={work / 'bias'}")
    bias, deciles = tables_of(work / "bias" / "bias.md")
    update("bias", bias)
    update("deciles", deciles)
    anchoring(work, dataset, "anchoring", ["full", "no_cross_modal"])
    anchoring(work, dataset, "anchoring_graph", list(ALIGNED), "--notext_model")
    report = work / "report.html"
    binary(
        "launch/report.py",
        f"--dataset={dataset}",
        f"--runs={runs}",
        f"--extras={work / 'anchoring'},{work / 'anchoring_graph'}",
        f"--output={report}",
    )
    if _IMAGES.value:
        images = Path(_IMAGES.value)
        images.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "bias" / "bias.png", images / "bias.png")
        screenshots(report, images)


def anchoring(work: Path, dataset: Path, label: str, names: list[str], *arguments: str) -> None:
    """Explains reviews for some runs, unless that is done, and updates the tables."""
    folder = work / label
    if not (folder / "anchoring.md").exists():
        binary(
            "launch/anchoring.py",
            f"--dataset={dataset}",
            "--runs=" + ",".join(str(work / name / "seed_0") for name in names),
            f"--reviews={_REVIEWS.value}",
            f"--output={folder}",
            *arguments,
        )
    parts = ("contributions", "gaps", "factual", "sentiment")
    for part, table in zip(parts, tables_of(folder / "anchoring.md"), strict=True):
        update(f"{label} {part}", table)
    if _IMAGES.value:
        Path(_IMAGES.value).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "anchoring.png", Path(_IMAGES.value) / f"{label}.png")


def screenshots(report: Path, images: Path) -> None:
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


def planted() -> None:
    """How well contributions tell planted facts from planted sentiment."""
    work = Path(_WORKDIR.value)
    shown: list[list[str]] = []
    for share, title in ((0.5, "LSA, as by default"), (1.0, "LSA, with words that all items have")):
        scores: dict[str, list[tuple[float, float]]] = {}
        for seed in range(_SEEDS.value):
            folder = work / f"share_{share}" / f"seed_{seed}"
            if not (folder / "data").exists():
                # A process of its own: benchmarks/ has a module of the package's name.
                command = [sys.executable, "-c", PREPARE, str(folder / "data"), str(seed)]
                subprocess.run([*command, str(share)], check=True, cwd=ROOT)
            for name in ALIGNED:
                chosen = [*ALIGNED[name], f"--seed={seed}", "--epochs=10"]
                train(folder / name, folder / "data", *chosen)
            if not (folder / "anchoring" / "anchoring.json").exists():
                runs = ",".join(str(folder / name) for name in ALIGNED)
                binary(
                    "launch/anchoring.py",
                    *(f"--dataset={folder / 'data'}", f"--runs={runs}", f"--seed={seed}"),
                    *(f"--reviews={_REVIEWS.value}", f"--output={folder / 'anchoring'}"),
                )
            content = json.loads((folder / "anchoring" / "anchoring.json").read_text())
            for model in content["models"]:
                pair = (model["auc"], 100 * model["gap"]["difference"])
                scores.setdefault(model["name"], []).append(pair)
        for name, values in scores.items():
            aucs, gaps = np.array(values).T
            spread = aucs.std(ddof=1) if len(aucs) > 1 else 0.0
            numbers = (f"{aucs.mean():.3f}", f"{spread:.3f}", f"{gaps.mean():+.1f}")
            shown.append([title, name, *numbers])
    header = ["text features", "model", "AUC", "± over seeds", "gap, points"]
    update("planted", tables.markdown(header, shown, n_words=2))


def main(arguments: list[str]) -> None:
    """Makes the tables that are asked for."""
    if _PLANTED.value:
        planted()
    elif _DATASET.value:
        real(arguments[1:])
    else:
        sys.exit("error: give --dataset, or --planted for generated reviews")


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
