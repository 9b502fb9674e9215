r"""Scores a trained model by ranking the whole catalog for each user.

  python launch/evaluate.py --workdir=runs/shop --dataset=data/shop --split=test

It needs only the checkpoint and the prepared folder. Items that a user interacted with in training
(for the test also in validation) are left out of the ranking. Prints a table; writes
metrics_<split>.json and per_user_<split>.npz into the workdir.

With --min_rating=4, only held-out interactions rated 4 or more count as hits, and users without one
are left out; the scores go to separate files, metrics_<split>_rated_4.json and so on.

recall@k divides by the number R of a user's held-out items; map@k and ndcg@k divide by the best
possible value, that of min(k, R) hits.

With --follow, it watches a run during training, scores each new best checkpoint, by default on the
validation split, and appends a line to follow_<split>.jsonl. It ends when the run ends, or when no
process has trained it for --follow_wait seconds. The same command resumes:

  python launch/evaluate.py --workdir=runs/shop --dataset=data/shop --follow

With --cold_start, a second table compares the model with popularity and text kNN on new users, new
items and warm interactions: half of the reviews of each new user or item are known, and half are to
be predicted. It goes to cold_start_<split>.json. This is on if the data was prepared with
--split=cold_item or cold_user and the model can read new texts.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from symcere_jax.cli import startup
from symcere_jax.errors import ConfigError

if TYPE_CHECKING:
    from symcere_jax.data import ReviewDataset
    from symcere_jax.study.cold_start import ColdStartResult


_DATASET = flags.DEFINE_string("dataset", None, "prepared folder of the model", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_SPLIT = flags.DEFINE_enum(
    "split", None, ("valid", "test"), "which split to score; default: test, with --follow valid"
)
_FOLLOW = flags.DEFINE_bool("follow", False, "score each new best checkpoint as it appears")
_FOLLOW_WAIT = flags.DEFINE_float(
    "follow_wait", 600.0, "seconds to wait for a run that no process trains", 0.0
)
_KS = flags.DEFINE_multi_integer(
    "k", [], "another cutoff besides 5, 10, 20, 50; may be repeated", 1
)
_RUN_FILE = flags.DEFINE_string(
    "run_file", None, "file to write the rankings to, in the format of TREC (ranx, ir_measures)"
)
_MIN_RATING = flags.DEFINE_float(
    "min_rating",
    0.0,
    "lowest rating of a held-out interaction that counts as a hit; 0: all count",
    0.0,
)
_COLD_START = flags.DEFINE_bool(
    "cold_start", None, "also score new users and items; default: on for cold_item and cold_user"
)


def main() -> None:
    """Scores the best checkpoint and prints the metrics."""
    from rich.console import Console

    from symcere_jax.cli.progress import counting_bar
    from symcere_jax.data import ReviewDataset
    from symcere_jax.evaluation import CUTOFFS, evaluate
    from symcere_jax.evaluation.run_files import write_run_file
    from symcere_jax.evaluation.stored_scores import write_scores
    from symcere_jax.models import score_factors
    from symcere_jax.report.score_tables import cold_start_table, metrics_table, write_cold_start
    from symcere_jax.training import load_factors

    dataset = ReviewDataset.load(_DATASET.value)
    workdir = Path(_WORKDIR.value)
    split = _SPLIT.value or ("valid" if _FOLLOW.value else "test")
    if _FOLLOW.value and _MIN_RATING.value:
        raise ConfigError("--follow scores all held-out interactions: leave out --min_rating")
    ks = sorted({*CUTOFFS, *_KS.value})
    if _FOLLOW.value:
        _follow(workdir, dataset, split, ks)
        return
    # First, so that what cannot be measured is said before the work.
    cold_start = _cold_start(workdir, dataset, split)
    factors, metadata = load_factors(workdir, dataset)
    step, min_rating = metadata.progress.best_step, _MIN_RATING.value
    with counting_bar("user") as show:
        evaluation = evaluate(
            score_factors, factors, dataset, split, ks=ks, min_rating=min_rating, progress=show
        )
    rated = f"_rated_{min_rating:g}" if min_rating else ""
    title = f"{dataset.name}, {split}{rated}: {len(evaluation.users):,} users"
    Console().print(metrics_table(evaluation.metrics).terminal(title))
    # After the table: it is worth something also where the workdir cannot be written.
    paths = write_scores(evaluation, workdir, split + rated, dataset, step)
    if _RUN_FILE.value:
        paths += write_run_file(Path(_RUN_FILE.value), evaluation, dataset, split, min_rating)
    for path in paths:
        print(path)
    if cold_start is not None:
        title = f"{dataset.name}, {split}: cold start"
        Console().print(cold_start_table(cold_start).terminal(title))
        print(write_cold_start(cold_start, workdir, split, dataset, step))


def _cold_start(
    workdir: Path, dataset: "ReviewDataset", split: str
) -> "list[ColdStartResult] | None":
    """Scores of new users and items; None where there can be none, and nobody asked for them."""
    from symcere_jax.study.cold_start import NoColdStartError, evaluate_cold_start

    if not (dataset.manifest.has_cold_split if _COLD_START.value is None else _COLD_START.value):
        return None
    try:
        return evaluate_cold_start(workdir, dataset, split)
    except NoColdStartError as error:
        if _COLD_START.value:
            raise
        startup.say(f"note: cold start is not scored: {error}")
        return None


def _follow(workdir: Path, dataset: "ReviewDataset", split: str, ks: list[int]) -> None:
    from symcere_jax.study.scoring import follow

    for record in follow(workdir, dataset, split, ks=ks, max_wait=_FOLLOW_WAIT.value):
        if "end" not in record:
            shown = sorted(set(_KS.value)) or ks
            names = [f"{metric}@{k}" for metric in ("ndcg", "recall") for k in shown]
            scores = "  ".join(f"{name} {record[name]:.4f}" for name in names)
            print(f"epoch {record['epoch']:3}  {split}  {scores}", flush=True)
        elif record["end"] == "complete":
            print("the run has ended")
        else:
            print(f"nobody has trained in {workdir} for {_FOLLOW_WAIT.value:.0f} s")
