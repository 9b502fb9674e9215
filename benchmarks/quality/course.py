r"""How the scores of the test split rise with the epochs, and how long that takes.

  python -m benchmarks.quality.course --flagfile=configs/gowalla.flags --dataset=data/gowalla \
    --workdir=runs/course/gowalla --target=0.1830 --update=docs/speed.md

Trains as launch/train.py does, and after each epoch scores the test split by what would be kept if
the run ended there. That shows a course; nothing is chosen by it, and the result is the last row.
Seconds are those of training, compilation included, reading the data and scoring not. Interrupted,
the same command resumes; what was spent on the epoch that was interrupted is not counted then.
"""

import json
from pathlib import Path

from absl import flags

from benchmarks import tables
from symcere_jax.cli import field_flags, startup
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import evaluate
from symcere_jax.files import write_json
from symcere_jax.models import score_factors
from symcere_jax.settings import Settings
from symcere_jax.training import load_factors, train

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run", required=True)
_TARGET = flags.DEFINE_float("target", None, "recall@20 whose time is shown")
_PREPARE = flags.DEFINE_string("prepare", None, "of the flag file, not used")
_SETTINGS = field_flags.define(Settings)

METRICS = ("recall@20", "ndcg@20", "recall@10", "ndcg@10")


def describe(records: list[dict[str, float]], target: float | None) -> str:
    """A row an epoch, in Markdown, and when the target was reached."""
    rows = [
        [str(record["epoch"]), f"{record['seconds']:.0f}"]
        + [f"{record[metric]:.4f}" for metric in METRICS]
        for record in records
    ]
    text = tables.markdown(["epoch", "s of training", *METRICS], rows, n_words=0)
    if target is None:
        return text
    when = "not reached"
    for record in records:
        if record["recall@20"] >= target:
            when = f"reached after {record['epoch']} epochs, {record['seconds']:.0f} s"
            break
    return f"{text}\n\nrecall@20 of {target:.4f}: {when}."


def main() -> None:
    """Trains and scores epoch after epoch."""
    settings = field_flags.read(Settings, _SETTINGS)
    dataset = ReviewDataset.load(_DATASET.value)
    workdir = Path(_WORKDIR.value)
    log = workdir / "course.json"
    records = json.loads(log.read_text()) if log.exists() else []
    for epoch in range(len(records) + 1, settings.epochs + 1):
        result = train(settings.replace(epochs=epoch), dataset, workdir)
        factors, _ = load_factors(workdir, dataset)
        metrics = evaluate(score_factors, factors, dataset, "test", ks=(10, 20)).metrics
        seconds = result.seconds + (records[-1]["seconds"] if records else 0.0)
        scores = {metric: metrics[metric] for metric in METRICS}
        records.append({"epoch": epoch, "seconds": seconds, **scores})
        write_json(log, records)
        print(records[-1], flush=True)
    tables.publish(describe(records, _TARGET.value), "course")


if __name__ == "__main__":
    startup.run(main)
