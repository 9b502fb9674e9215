"""Scores of a trained run, and of each new best checkpoint of one that is being trained."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import CheckpointError
from symcere_jax.evaluation import CUTOFFS, Evaluation, evaluate
from symcere_jax.evaluation.stored_scores import write_scores
from symcere_jax.files import drop_torn_line
from symcere_jax.locking import is_locked
from symcere_jax.models import score_factors
from symcere_jax.training import LOCK, Checkpoints, Metadata, load_factors

Record = dict[str, float | str | None]


def score_run(
    workdir: Path, dataset: ReviewDataset, split: str, *, ks: Sequence[int] = CUTOFFS
) -> tuple[Evaluation, list[Path]]:
    """Scores the best checkpoint of a run; returns the evaluation and the files written.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
        DataError: the split has no interactions.
    """
    factors, metadata = load_factors(workdir, dataset)
    evaluation = evaluate(score_factors, factors, dataset, split, ks=ks)
    step = metadata.progress.best_step
    return evaluation, write_scores(evaluation, workdir, split, dataset, step)


def follow(
    workdir: Path,
    dataset: ReviewDataset,
    split: str,
    *,
    ks: Sequence[int] = CUTOFFS,
    every: float = 5.0,
    max_wait: float = 600.0,
) -> Iterator[Record]:
    """Scores each new best checkpoint of a run as it appears, and appends it to a file.

    It looks at checkpoints `every` so many seconds, until the newest one says that the run has
    ended, or no process has trained in the workdir for `max_wait` seconds. What the file,
    `follow_<split>.jsonl` in the workdir, holds is not scored again.

    Yields:
        Each new record: "epoch", "step", "dataset", "split", and the metrics. The last one has
        "end" alone: "complete" or "abandoned".

    Raises:
        CheckpointError: the run is on other data, or all its checkpoints are damaged.
    """
    path = workdir / f"follow_{split}.jsonl"
    done = {(record["step"], record["valid_score"]) for record in read_records(path)}
    checkpoints = Checkpoints(workdir)
    seen_alive = time.monotonic()
    while True:
        # In this order: what a run writes before it ends is read after it.
        alive = is_locked(workdir / LOCK)
        newest = _newest_metadata(checkpoints)
        if newest is not None and _version(newest) not in done:
            factors, metadata = load_factors(workdir, dataset)
            step, score = _version(metadata)
            is_new = (step, score) not in done
            # Also the newest, which may be damaged, and an earlier one read instead.
            done |= {(step, score), _version(newest)}
            if is_new:
                record: Record = {
                    "epoch": step // metadata.steps_per_epoch,
                    "step": step,
                    "valid_score": score,
                    "dataset": dataset.name,
                    "split": split,
                    **evaluate(score_factors, factors, dataset, split, ks=ks).metrics,
                }
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
                yield record
                continue
        if newest is not None and newest.is_complete and not alive:
            yield {"end": "complete"}
            return
        if alive:
            seen_alive = time.monotonic()
        elif time.monotonic() - seen_alive >= max_wait:
            yield {"end": "abandoned"}
            return
        time.sleep(every)


def read_records(path: Path) -> list[Record]:
    """The records of a file, if it is there; a last line that was cut off is removed."""
    drop_torn_line(path)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def _newest_metadata(checkpoints: Checkpoints) -> Metadata | None:
    try:
        return checkpoints.metadata()
    except CheckpointError:  # none yet, being replaced, or damaged, as reading it will say
        return None


def _version(metadata: Metadata) -> tuple[int, float | None]:
    """What changes when a checkpoint scores differently."""
    return metadata.progress.best_step, metadata.progress.best_score
