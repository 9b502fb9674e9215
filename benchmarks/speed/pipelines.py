r"""From a CSV of reviews to ten recommendations for each user: time and quality, beside others.

  python -m benchmarks.speed.pipelines --datasets=data/hotels,data/instruments \
    --workdir=runs/pipelines --update=docs/speed.md

The reviews of the training and validation splits of prepared folders become CSV files. Ours is
prepare.py, train.py and recommend.py with their defaults and nothing compiled before. Each other
library (see peers.py) is installed into an environment of its own in --environments. What is
measured is not repeated: delete its file in WORKDIR/NAME to measure it again. A library that needs
longer than --limit has no score.
"""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import evaluate
from symcere_jax.files import write_json

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of what is measured", required=True)
_ENVIRONMENTS = flags.DEFINE_string(
    "environments", "runs/environments", "a folder for each library"
)
_LIMIT = flags.DEFINE_integer("limit", 3600, "seconds after which another library is stopped", 1)
_LABEL = flags.DEFINE_string("label", "pipelines", "label of the table in the file of --update")

OURS = "symcere_jax"
_TORCH = ("torch==2.13.0", "setuptools<80")
PACKAGES = {
    "implicit": ("implicit==0.7.3",),
    "rectools": ("rectools==0.19.0",),
    "cornac": ("cornac==3.0.1", "dgl==1.1.3", *_TORCH),
    "recbole": ("recbole==1.2.1", "numpy<2", "scipy<1.11", *_TORCH),
}
PEERS = {  # title -> function of peers.py, whose first word is the environment
    "implicit, iALS": "implicit_ials",
    "RecTools, iALS": "rectools_ials",
    "Cornac, CTR (with text)": "cornac_ctr",
    "Cornac, LightGCN": "cornac_lightgcn",
    "RecBole, LightGCN": "recbole_lightgcn",
}
COLUMNS = (
    *("data set", "library", "s to prepare", "s to train", "s to recommend", "s in all"),
    "test NDCG@10",
)


def write_interactions(dataset: ReviewDataset, path: Path) -> None:
    """Writes the reviews of the training and validation splits as CSV."""
    users, items = dataset.user_ids(), dataset.item_ids()
    columns = ["user", "item", "rating", "timestamp", "text", "split"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", *columns[2:]])
        for row in dataset.reviews(columns).to_pylist():
            if row["split"] != "test":
                ids = [users[row["user"]], items[row["item"]]]
                writer.writerow([*ids, *(row[name] for name in columns[2:])])


def run_ours(source: Path, folder: Path, *prepare_flags: str) -> dict[str, Any]:
    """Seconds of each step, and the lists, of this library."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)  # that this process itself has set
    data, run, output = folder / "prepared", folder / "run", folder / "top.csv"
    places = [f"--dataset={data}", f"--workdir={run}"]
    commands = [
        ["data_prep/prepare.py", "--source=table", "--split=predefined", f"--input={source}",
         f"--output={data}", "--overwrite", *prepare_flags],
        ["launch/train.py", *places],
        ["launch/recommend.py", *places, f"--output={output}", "--k=10", "--overwrite"],
    ]  # fmt: skip
    seconds = [binaries.run(*command).seconds for command in commands]
    lists: dict[str, list[str]] = {}
    with output.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            lists.setdefault(row["user_id"], []).append(row["item_id"])
    return {"seconds": seconds, "lists": lists}


def run_peer(function: str, source: Path, folder: Path) -> dict[str, Any]:
    """Seconds of each step, and the lists, of another library; neither if it takes too long."""
    name = function.partition("_")[0]
    python = Path(_ENVIRONMENTS.value).resolve() / name / "bin" / "python"
    output = folder / "output.json"
    installed, packages = python.parents[1] / "installed.txt", "\n".join(PACKAGES[name])
    if not installed.exists() or installed.read_text() != packages:
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        install = [python, "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        subprocess.run(install, check=True, stdout=sys.stderr)
        installed.write_text(packages)
    program = Path(__file__).with_name("peers.py")
    start = time.monotonic()
    try:
        subprocess.run(
            [python, program, function, source.resolve(), output.resolve()],
            check=True,
            cwd=folder,
            # As implicit asks: its threads and those of BLAS would get in each other's way.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} if "ials" in function else None,
            stdout=sys.stderr,
            timeout=_LIMIT.value,
        )
    except subprocess.TimeoutExpired:
        return {"seconds": [], "lists": {}}
    total = time.monotonic() - start
    done = json.loads(output.read_text())
    done["seconds"][0] = total - sum(done["seconds"][1:])
    return done


def score(dataset: ReviewDataset, lists: dict[str, list[str]]) -> float:
    """NDCG@10 of lists on the test split, by the evaluation of this library."""
    users, items = (
        {name: row for row, name in enumerate(ids)}
        for ids in (dataset.user_ids(), dataset.item_ids())
    )
    scores = np.zeros((dataset.n_users, dataset.n_items), np.float32)
    for user, ranked in lists.items():
        scores[users[user], [items[item] for item in ranked]] = np.arange(len(ranked), 0, -1)
    done = evaluate(lambda scores, rows: scores[rows], jnp.asarray(scores), dataset, "test")
    return done.metrics["ndcg@10"]


def measure(dataset: ReviewDataset) -> list[dict[str, str]]:
    """The rows of a data set, measured where that is not done."""
    rows = []
    for title, function in {OURS: OURS, **PEERS}.items():
        flags_without_text = () if dataset.manifest.text_encoders else ("--text_encoder=none",)
        if "with text" in title and flags_without_text:
            continue
        folder = Path(_WORKDIR.value) / dataset.name / function
        source, stored = folder.parent / "interactions.csv", folder / "measured.json"
        if not stored.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_interactions(dataset, source)
            if function == OURS:
                done = run_ours(source, folder, *flags_without_text)
            else:
                done = run_peer(function, source, folder)
            ndcg = score(dataset, done["lists"]) if done["lists"] else None
            measured = {"seconds": done["seconds"], "ndcg": ndcg, "limit": _LIMIT.value}
            write_json(stored, measured)
        done = json.loads(stored.read_text())
        if seconds := done["seconds"]:
            shown = [*(f"{s:.1f}" for s in (*seconds, sum(seconds))), f"{done['ndcg']:.4f}"]
        else:
            shown = ["", "", "", f"> {done['limit']:,}", ""]
        row = [dataset.name, title, *shown]
        rows.append(dict(zip(COLUMNS, row, strict=True)))
    return rows


def main() -> None:
    """Measures and shows the table."""
    rows = [row for path in _DATASETS.value for row in measure(ReviewDataset.load(path))]
    tables.publish(tables.markdown(rows, 2), _LABEL.value)


if __name__ == "__main__":
    startup.run(main)
