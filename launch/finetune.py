r"""Fine-tunes the last layers of a sentence encoder on the training reviews of a prepared folder.

So that reviews of one item come closer to each other than to those of other items:

  python launch/finetune.py --dataset=data/shop --output=models/shop \
    --text_model=sentence-transformers/all-MiniLM-L6-v2

So that reviews come close to what a trained model knows of their items:

  python launch/finetune.py --dataset=data/shop --output=models/shop_2 \
    --text_model=sentence-transformers/all-MiniLM-L6-v2 --workdir=runs/shop

The output is a model folder as the one given: encode.py takes it, and so do the libraries
transformers and sentence-transformers. finetuning.json in it says what was done.

  python data_prep/encode.py --dataset=data/shop --text_encoder=transformer \
    --text_model=models/shop --text_name=tuned
  python launch/train.py --dataset=data/shop --workdir=runs/tuned --text_encoder=tuned

After each epoch, valid reviews look for their item; the epoch in which they find it best is kept.
The model as it was counts as epoch 0, so that it gets no worse by that measure. Whether
recommendations get better, training on the new features tells. Stopped by Ctrl-C or SIGTERM, it
keeps where it stands in OUTPUT.partial and ends with status 75; the same command goes on from
there, and killed, from the last epoch.
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from data_prep.encoding import ReviewBar
from launch import cli, field_flags, training_runs
from symcere_jax.data import ReviewDataset
from symcere_jax.text.finetuning import FinetuneConfig, finetune
from symcere_jax.text.finetuning.progress import Progress
from symcere_jax.training import load_embeddings

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder to learn from", required=True)
_TEXT_MODEL = flags.DEFINE_string(
    "text_model", None, "the encoder: a folder, or a name on the Hugging Face hub", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "folder to write; must not exist", required=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "run trained on the folder, whose item embeddings reviews are pulled to"
)
_SETTINGS = field_flags.define(FinetuneConfig)


def main() -> None:
    """Fine-tunes, and says what came of it."""
    config = FinetuneConfig(**field_flags.values(FinetuneConfig, _SETTINGS))
    folder, output = Path(_DATASET.value), Path(_OUTPUT.value)
    dataset = training_runs.open_dataset(folder, training_runs.PREPARE_DEFAULT)
    stop = training_runs.stop_on_signals("after this step")
    result = finetune(
        config,
        dataset,
        _TEXT_MODEL.value,
        output,
        item_embeddings=_item_embeddings(dataset),
        observer=_Progress(),
        should_stop=stop.is_set,
    )
    if not result.complete:
        print(f"stopped after {result.epochs} epochs; the same command goes on from there")
        sys.exit(cli.PREEMPTED)
    before, best = result.scores[0], result.scores[result.best_epoch]
    print(f"best: epoch {result.best_epoch}, valid mrr {best:.4f}; before: {before:.4f}")
    if result.best_epoch == 0:
        print("no epoch was better than the model as it was, which is what was written")
    print(
        f"next: python data_prep/encode.py --dataset={folder} --text_encoder=transformer "
        f"--text_model={output} --text_name=tuned"
    )


def _item_embeddings(dataset: ReviewDataset) -> np.ndarray | None:
    if _WORKDIR.value is None:
        return None
    embeddings, _ = load_embeddings(_WORKDIR.value, dataset)
    return np.asarray(embeddings.items)


class _Progress:
    """Shows a bar of reviews, and a line an epoch, on stderr."""

    def __init__(self) -> None:
        self._bar = ReviewBar()

    def start(self, reviews: int, epochs: int, progress: Progress) -> None:
        """Says what is going to be done."""
        if progress.step:
            self._line(f"resumed at step {progress.step}")
        self._line(f"{epochs} epochs of {reviews:,} reviews")

    def step(self, done: int, total: int, loss: float) -> None:
        """Moves the bar."""
        del loss
        self._bar(done, total)

    def epoch(self, number: int, loss: float | None, score: float, best: bool) -> None:
        """Shows the score of an epoch."""
        of_loss = "" if loss is None else f"  loss {loss:.4f}"
        self._line(f"epoch {number:3d}{of_loss}  valid mrr {score:.4f}{' *' if best else ''}")

    def _line(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr)


def run() -> None:
    """The installed command."""
    cli.run(main)


if __name__ == "__main__":
    run()
