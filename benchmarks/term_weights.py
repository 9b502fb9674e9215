r"""What the weighting of terms does to the share of sentiment in text features, and to quality.

  python benchmarks/term_weights.py --datasets=data/gift_cards,data/magazines \
    --workdir=runs/term_weights --seeds=3 --update=docs/text.md

How much of a review's features is due to its words of sentiment: one less the cosine of the
features with those of the same review without these words, mean over training reviews that hold
some. The same for words of facts. Classes of words are those of launch/anchoring.py, by the
training reviews and the VADER lexicon. Quality is NDCG@10 on the validation split, mean and
standard deviation over seeds; the test split is not looked at. Flags of launch/train.py are taken;
what is complete is not done again.
"""

import re
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import tables
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # before data_prep.py of this folder

from symcere_jax.arrays import unit_rows
from symcere_jax.cli import settings_flags as settings
from symcere_jax.data import ReviewDataset
from symcere_jax.explain import classes_of_dataset
from symcere_jax.explain.word_classes import FACTUAL, SENTIMENT
from symcere_jax.prepare.encode.add_features import EncodeSettings, add_text
from symcere_jax.text import TERM_WEIGHTS, load_text_encoder
from symcere_jax.training import train

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of copies and runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_REVIEWS = flags.DEFINE_integer("reviews", 1000, "training reviews to take words out of", 1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_SETTINGS = settings.define()

NAMES = {weights: f"lsa_{weights}" for weights in TERM_WEIGHTS}
HEADER = ("data set", "terms weighed by", "due to sentiment", "due to facts", "valid NDCG@10")


def prepare(source: Path) -> ReviewDataset:
    """A copy of a prepared folder, with features of each weighting."""
    folder = Path(_WORKDIR.value) / "data" / source.name
    if not folder.exists():
        shutil.copytree(source, folder)
    for weights, name in NAMES.items():
        if name not in ReviewDataset.load(folder).manifest.text_encoders:
            add_text(EncodeSettings(dataset=folder, text_name=name, text_term_weights=weights))
    return ReviewDataset.load(folder)


def shares(dataset: ReviewDataset, encoder: str) -> list[float]:
    """How much of the features is due to words of sentiment, and to words of facts."""
    classes = classes_of_dataset(dataset)
    table = dataset.reviews(["split", "text"])
    rows = np.flatnonzero(table["split"].to_numpy() == "train")
    rows = np.random.default_rng(0).permutation(rows)[: _REVIEWS.value]
    texts = table["text"].take(rows).to_pylist()
    fitted = load_text_encoder(dataset, encoder)
    whole = unit_rows(fitted.encode_texts(texts))
    found = []
    for kind in (SENTIMENT, FACTUAL):

        def keep(match: re.Match, kind: str = kind) -> str:
            return "" if classes.get(match[0].lower()) == kind else match[0]

        without = [re.sub(r"\w+", keep, text) for text in texts]
        changed = [place for place, text in enumerate(texts) if text != without[place]]
        rest = unit_rows(fitted.encode_texts([without[place] for place in changed]))
        found.append(float(1 - (whole[changed] * rest).sum(axis=1).mean()))
    return found


def quality(dataset: ReviewDataset, encoder: str) -> str:
    """NDCG@10 on the validation split, over seeds."""
    scores = []
    for seed in range(_SEEDS.value):
        workdir = Path(_WORKDIR.value) / dataset.folder.name / encoder / f"seed_{seed}"
        config = settings.config(_SETTINGS).replace(text_encoder=encoder, seed=seed)
        scores.append(train(config, dataset, workdir).best_score)
        jax.clear_caches()  # each training compiles its own steps, and a process holds only so many
        print(f"{workdir}: {scores[-1]:.4f}", file=sys.stderr, flush=True)
    spread = f" ± {np.std(scores, ddof=1):.4f}" if len(scores) > 1 else ""
    return f"{np.mean(scores):.4f}{spread}"


def main(arguments: list[str]) -> None:
    """Trains what is missing and shows the table."""
    del arguments
    rows = []
    for source in map(Path, _DATASETS.value):
        dataset = prepare(source)
        for weights, name in NAMES.items():
            cells = [f"{share:.3f}" for share in shares(dataset, name)]
            rows.append([source.name, weights, *cells, quality(dataset, name)])
    text = tables.markdown(HEADER, rows, 2)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "term weights", text)


if __name__ == "__main__":
    app.run(main)
