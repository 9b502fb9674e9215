r"""What text encoders are worth: the table of docs/text.md.

  python benchmarks/quality/text_quality.py --datasets=data/gift_cards,data/magazines \
    --model=sentence-transformers/all-MiniLM-L6-v2 --workdir=runs/text_quality --update=docs/text.md

For each prepared folder, a copy gets text features of every kind, and a model is trained on each,
for each seed, with one setting for all: the flags of launch/train.py can be given. The test split
is scored once a run. Features and runs that are complete are not made again; --encoders chooses
rows.
"""

import json
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import tables
from symcere_jax.cli import field_flags
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate
from symcere_jax.files import write_json
from symcere_jax.models import score_block
from symcere_jax.prepare.encode.add_features import EncodeSettings, add_text
from symcere_jax.settings import NONE, Settings
from symcere_jax.training import load_embeddings, train

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of copies and runs", required=True)
_MODEL = flags.DEFINE_string("model", None, "language model, a folder or a name of the hub")
_CACHE = flags.DEFINE_string("cache", "~/.cache/symcere_jax/text", "see encode.py --text_cache")
_SEEDS = flags.DEFINE_integer("seeds", 1, "number of seeds, from 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_TABLE = flags.DEFINE_string("table", "text quality", "name of the table to replace")
_SETTINGS = field_flags.define(Settings)

ENCODERS = {
    "lsa": ("LSA", "lsa"),
    "transformer": ("language model", "transformer"),
    "both": ("both", "lsa+transformer"),
}
_ENCODERS = flags.DEFINE_list("encoders", list(ENCODERS), f"of {', '.join(ENCODERS)}")


def prepare(source: Path) -> ReviewDataset:
    """A copy of a prepared folder, with all features."""
    folder = Path(_WORKDIR.value) / "data" / source.name
    if not folder.exists():
        shutil.copytree(source, folder)
    for name in _ENCODERS.value:
        if name in ReviewDataset.load(folder).manifest.text_encoders:
            continue  # the copy's own "lsa", which is the same, or of an earlier run
        _, encoder = ENCODERS[name]
        settings = EncodeSettings(
            dataset=folder,
            text_name=name,
            text_encoder=encoder,
            text_model=_MODEL.value if "transformer" in encoder else None,
            text_cache=Path(_CACHE.value),
        )
        add_text(settings, announce=lambda stage: print(stage, file=sys.stderr))
    return ReviewDataset.load(folder)


def run(dataset: ReviewDataset, encoder: str, seed: int) -> dict[str, float]:
    """NDCG@10 on both splits, trained with one kind of features."""
    workdir = Path(_WORKDIR.value) / dataset.folder.name / encoder / f"seed_{seed}"
    path = workdir / "scores.json"
    if not path.exists():
        settings = field_flags.read(Settings, _SETTINGS)
        settings = settings.replace(text_encoder=encoder, seed=seed)
        result = train(settings, dataset, workdir)
        embeddings, _ = load_embeddings(workdir, dataset)
        test = evaluate(score_block, embeddings, dataset, "test").metrics[PRIMARY_METRIC]
        scores = {"valid": result.best_score, "test": test}
        write_json(path, scores)
        jax.clear_caches()  # each training compiles its own steps, and a process holds only so many
        print(f"{workdir}: {scores}", file=sys.stderr, flush=True)
    return json.loads(path.read_text())


def table(scores: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """A Markdown table.

    Args:
        scores: data set -> name of features -> scores of each seed.
    """
    n_seeds = len(next(iter(next(iter(scores.values())).values())))
    lines = [
        f"| NDCG@10, {n_seeds} seed{'s' * (n_seeds > 1)} | features | valid | test |",
        "|---|---|---:|---:|",
    ]

    def show(runs: list[dict[str, float]], split: str) -> str:
        values = np.array([run[split] for run in runs])
        spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
        return f"{values.mean():.4f}{spread}"

    for dataset, by_features in scores.items():
        for name, runs in by_features.items():
            label = name if name == NONE else ENCODERS[name][0]
            lines.append(f"| {dataset} | {label} | {show(runs, 'valid')} | {show(runs, 'test')} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Trains what is missing and shows the table."""
    del arguments
    names = [NONE, *_ENCODERS.value]
    scores = {}
    for source in map(Path, _DATASETS.value):
        dataset = prepare(source)
        scores[source.name] = {
            name: [run(dataset, name, seed) for seed in range(_SEEDS.value)] for name in names
        }
    text = table(scores)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), _TABLE.value, text)


if __name__ == "__main__":
    app.run(main)
