r"""What text encoders are worth: the table of docs/text.md.

  python -m benchmarks.quality.text_quality --datasets=data/gift_cards,data/magazines \
    --model=sentence-transformers/all-MiniLM-L6-v2 --workdir=runs/text_quality --update=docs/text.md

A copy of each prepared folder gets text features of every kind, and a model is trained on each and
scored on the test split, once a seed, with one setting for all: flags that this program does not
know are handed to launch/train.py. Features and runs that are complete are not made again;
--encoders chooses rows.
"""

import shutil
from pathlib import Path

from absl import flags

from benchmarks import binaries, tables
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC
from symcere_jax.settings import NONE
from symcere_jax.training import Checkpoints

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of copies and runs", required=True)
_MODEL = flags.DEFINE_string("model", None, "language model, a folder or a name of the hub")
_SEEDS = flags.DEFINE_integer("seeds", 1, "number of seeds, from 0", lower_bound=1)

ENCODERS = {  # name of the features -> title, --text_encoder of encode.py
    "lsa": ("LSA", "lsa"),
    "transformer": ("language model", "transformer"),
    "both": ("both", "lsa+transformer"),
}
_ENCODERS = flags.DEFINE_list("encoders", list(ENCODERS), f"of {', '.join(ENCODERS)}")


def prepare(source: Path) -> Path:
    """A copy of a prepared folder, with all features."""
    folder = Path(_WORKDIR.value) / "data" / source.name
    if not folder.exists():
        shutil.copytree(source, folder)
    done = ReviewDataset.load(folder).manifest.text_encoders
    for name in _ENCODERS.value:
        if name not in done:
            encoder = [f"--text_name={name}", f"--text_encoder={ENCODERS[name][1]}"]
            if "transformer" in ENCODERS[name][1]:
                encoder.append(f"--text_model={_MODEL.value}")
            binaries.run("data_prep/encode.py", f"--dataset={folder}", *encoder)
    return folder


def score(dataset: Path, encoder: str, train_flags: list[str]) -> list[str]:
    """Trains with one kind of features; the cells of NDCG@10 on both splits."""
    folder = Path(_WORKDIR.value) / dataset.name / encoder
    seeds = binaries.train_and_score(
        folder, dataset, _SEEDS.value, *train_flags, f"--text_encoder={encoder}"
    )
    runs = [Checkpoints(folder / f"seed_{seed}") for seed in range(len(seeds))]
    valid = [run.metadata().progress.best_score for run in runs]
    test = [metrics[PRIMARY_METRIC] for metrics in seeds]
    return [tables.mean_and_spread(valid), tables.mean_and_spread(test)]


def main(train_flags: list[str]) -> None:
    """Trains what is missing and shows the table."""
    rows = []
    for dataset in map(prepare, map(Path, _DATASETS.value)):
        for name in (NONE, *_ENCODERS.value):
            title = name if name == NONE else ENCODERS[name][0]
            rows.append([dataset.name, title, *score(dataset, name, train_flags)])
    header = [f"NDCG@10, seeds: {_SEEDS.value}", "features", "valid", "test"]
    tables.publish(tables.markdown(header, rows, 2), "text quality")


if __name__ == "__main__":
    binaries.run_with_train_flags(main)
