"""Scores of each new best checkpoint of a run that is being trained."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import CheckpointError
from symcere_jax.evaluation import Evaluation
from symcere_jax.locking import is_locked
from symcere_jax.models import Embeddings
from symcere_jax.training import LOCK, Checkpoints, TrainedModel, load_model
from symcere_jax.training.neighbors import read_weight


@dataclasses.dataclass(frozen=True)
class Waiting:
    """How a run is watched.

    Attributes:
        every: seconds between two looks at its checkpoints.
        at_most: seconds to wait for a run that nobody trains, such as one that was preempted.
        sleep: waits; to be replaced in tests.
        now: monotonic seconds; to be replaced in tests.
    """

    every: float = 5.0
    at_most: float = 600.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic


def follow(
    workdir: Path,
    dataset: ReviewDataset,
    split: str,
    evaluate: Callable[[Embeddings], Evaluation],
    waiting: Waiting = Waiting(),
) -> Iterator[dict[str, float | str]]:
    """Scores each new best checkpoint of a run as it appears, and appends it to a file.

    The run has ended when its newest checkpoint says so (all epochs done, or no more gain), or
    when for a while no process has trained in the workdir. What the file has already is not scored
    again.

    Args:
        workdir: of the run; a checkpoint may be there later.
        dataset: the prepared folder.
        split: "valid" or "test"; names the file `follow_<split>.jsonl` in the workdir.
        evaluate: scores embeddings.
        waiting: how long to.

    Yields:
        Each new record: "epoch", "step", "dataset", "split", and the metrics. The last one has
        "end" alone: "complete" or "abandoned".

    Raises:
        CheckpointError: the run is on other data, or all its checkpoints are damaged.
    """
    path = workdir / f"follow_{split}.jsonl"
    done = {(record["step"], record.get("neighbor_weight", 0.0)) for record in read_records(path)}
    checkpoints = Checkpoints(workdir)
    seen_alive = waiting.now()
    # Also what was damaged, and an earlier one scored instead. A run chooses the weight at its end.
    tried: set[tuple[Any, Any]] = set()
    while True:
        # In this order: what a run writes before it ends is found after it.
        alive = is_locked(workdir / LOCK)
        complete = _is_complete(checkpoints)
        newest = {(step, read_weight(workdir, step)) for step in checkpoints.steps("best")[-1:]}
        if newest := newest - done - tried:
            tried |= newest
            trained = load_model(workdir, dataset)
            found = (trained.metadata.progress.best_step, trained.neighbor_weight)
            if found not in done:
                done.add(found)
                record = _record(trained, split, evaluate(trained.embeddings()))
                _append(path, record)
                yield record
                continue
        if complete and not alive:
            yield {"end": "complete"}
            return
        if alive:
            seen_alive = waiting.now()
        elif waiting.now() - seen_alive >= waiting.at_most:
            yield {"end": "abandoned"}
            return
        waiting.sleep(waiting.every)


def read_records(path: Path) -> list[dict[str, float | str]]:
    """The records of a file, if it is there; a line that was cut off is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
            records.append({**record, "step": int(record["step"])})
        except (ValueError, LookupError, TypeError):
            continue
    return records


def _is_complete(checkpoints: Checkpoints) -> bool:
    if not checkpoints.steps("latest"):
        return False
    try:
        return checkpoints.metadata("latest").is_complete
    except CheckpointError:  # being written anew, or damaged, which is told where it is read
        return False


def _record(trained: TrainedModel, split: str, evaluation: Evaluation) -> dict[str, float | str]:
    metadata = trained.metadata
    step = metadata.progress.best_step
    return {
        "epoch": step // metadata.steps_per_epoch,
        "step": step,
        "neighbor_weight": trained.neighbor_weight,
        "dataset": metadata.dataset,
        "split": split,
        **evaluation.metrics,
    }


def _append(path: Path, record: dict[str, float | str]) -> None:
    """Appends a line; a line before it that was cut off is ended first."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(record).encode() + b"\n")
