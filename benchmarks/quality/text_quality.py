r"""What text encoders are worth: the table of docs/text.md.

  python benchmarks/quality/text_quality.py --datasets=data/gift_cards,data/magazines \
    --model=sentence-transformers/all-MiniLM-L6-v2 --workdir=runs/text_quality --update=docs/text.md

For each prepared folder, a copy gets text features of every kind, plain and conditioned, and a
model is trained on each, for each seed, with one setting for all: the flags of launch/train.py can
be given. The validation split says whether an encoder is better conditioned or not; the test split
is scored once a run. Features and runs that are complete are not made again. The language model
is also fine-tuned on each data set (launch/finetune.py), by its defaults; --encoders chooses rows:

  python benchmarks/quality/text_quality.py --datasets=data/gift_cards \
    --encoders=transformer,tuned --noconditioned --seeds=3 --model=… --workdir=runs/text_quality
"""

import json
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).parents[2]))

from symcere_jax.text.finetuning import FinetuneConfig, finetune

from benchmarks import tables
from symcere_jax.cli import settings_flags as settings
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate
from symcere_jax.files import write_json
from symcere_jax.models import score_block
from symcere_jax.prepare.encode.adding_text import EncodeSettings, add_text
from symcere_jax.settings import NONE
from symcere_jax.training import load_embeddings, train

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of copies and runs", required=True)
_MODEL = flags.DEFINE_string("model", None, "language model, a folder or a name of the hub")
_CACHE = flags.DEFINE_string("cache", "~/.cache/symcere_jax/text", "see encode.py --text_cache")
_SEEDS = flags.DEFINE_integer("seeds", 1, "number of seeds, from 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_TABLE = flags.DEFINE_string("table", "text quality", "name of the table to replace")
_CONDITIONED = flags.DEFINE_bool("conditioned", True, "compare with conditioned features, too")
_SETTINGS = settings.define()

USERS = {"text_term_weights": "users"}
ENCODERS = {
    "lsa": ("LSA", {"text_encoder": "lsa"}),
    "lsa_users": ("LSA, terms weighed by users", {"text_encoder": "lsa", **USERS}),
    "lsa_ratings": (
        "LSA, terms weighed by ratings",
        {"text_encoder": "lsa", "text_term_weights": "ratings"},
    ),
    "transformer": ("language model", {"text_encoder": "transformer"}),
    "tuned": ("language model, fine-tuned", {"text_encoder": "transformer"}),
    "both": ("both", {"text_encoder": "lsa+transformer"}),
    "both_users": (
        "both, terms weighed by users",
        {"text_encoder": "lsa+transformer", **USERS},
    ),
}
CONDITIONING = {"": {}, "_conditioned": {"text_center": True, "text_whiten": 0.5}}
_ENCODERS = flags.DEFINE_list("encoders", list(ENCODERS), f"of {', '.join(ENCODERS)}")


def chosen() -> tuple[dict[str, tuple[str, dict]], dict[str, dict]]:
    """The encoders and the conditionings that are asked for."""
    encoders = {name: ENCODERS[name] for name in _ENCODERS.value}
    return encoders, CONDITIONING if _CONDITIONED.value else {"": {}}


def tuned_model(dataset: ReviewDataset) -> str:
    """The language model, fine-tuned on a data set."""
    folder = Path(_WORKDIR.value) / "models" / dataset.folder.name
    if not folder.exists():
        print(f"fine-tuning {_MODEL.value} to {folder}", file=sys.stderr)
        result = finetune(FinetuneConfig(), dataset, _MODEL.value, folder)
        print(f"{folder}: valid scores by epoch {result.scores}", file=sys.stderr)
    return str(folder)


def prepare(source: Path) -> ReviewDataset:
    """A copy of a prepared folder, with all features."""
    folder = Path(_WORKDIR.value) / "data" / source.name
    if not folder.exists():
        shutil.copytree(source, folder)
    encoders, conditionings = chosen()
    for encoder, (_, encoding) in encoders.items():
        for suffix, conditioning in conditionings.items():
            name = encoder + suffix
            if name in ReviewDataset.load(folder).manifest.text_encoders:
                continue  # the copy's own "lsa", which is the same, or of an earlier run
            model = {}
            if "transformer" in encoding["text_encoder"]:
                model["text_model"] = _MODEL.value
            if encoder == "tuned":
                model["text_model"] = tuned_model(ReviewDataset.load(folder))
            config = EncodeSettings(
                dataset=folder,
                text_name=name,
                text_cache=_CACHE.value,
                **encoding,
                **conditioning,
                **model,
            )
            add_text(config, announce=lambda stage: print(stage, file=sys.stderr))
    return ReviewDataset.load(folder)


def run(dataset: ReviewDataset, encoder: str, seed: int) -> dict[str, float]:
    """NDCG@10 on both splits, trained with one kind of features."""
    workdir = Path(_WORKDIR.value) / dataset.folder.name / encoder / f"seed_{seed}"
    path = workdir / "scores.json"
    if not path.exists():
        config = settings.config(_SETTINGS).replace(text_encoder=encoder, seed=seed)
        result = train(config, dataset, workdir)
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
        f"| NDCG@10, {n_seeds} seed{'s' * (n_seeds > 1)} | features | valid | valid, conditioned | "
        "test | test, conditioned | test, chosen on valid |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]

    def show(runs: list[dict[str, float]], split: str) -> str:
        values = np.array([run[split] for run in runs])
        spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
        return f"{values.mean():.4f}{spread}"

    for dataset, by_features in scores.items():
        none = by_features[NONE]
        rows = [(NONE, none, none)]
        rows += [
            (label, by_features[name], by_features.get(f"{name}_conditioned", by_features[name]))
            for name, (label, _) in chosen()[0].items()
        ]
        for label, plain, conditioned in rows:
            better = max(
                (plain, conditioned), key=lambda runs: np.mean([run["valid"] for run in runs])
            )
            cells = [show(plain, "valid"), show(conditioned, "valid")]
            cells += [show(plain, "test"), show(conditioned, "test")]
            if conditioned is plain:
                cells[1] = cells[3] = ""
            lines.append(f"| {dataset} | {label} | {' | '.join(cells)} | {show(better, 'test')} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Trains what is missing and shows the table."""
    del arguments
    encoders, conditionings = chosen()
    names = [NONE, *(encoder + suffix for encoder in encoders for suffix in conditionings)]
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
