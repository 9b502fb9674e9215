"""Scores of a trained run, in its workdir."""

from collections.abc import Sequence
from pathlib import Path

from symcere_jax.callbacks import CountCallback
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import CUTOFFS, Evaluation, HeldOutSplit, evaluate
from symcere_jax.evaluation.stored_scores import write_scores
from symcere_jax.models import score_factors
from symcere_jax.training import load_factors


def score_run(
    workdir: Path,
    dataset: ReviewDataset,
    split: HeldOutSplit,
    *,
    ks: Sequence[int] = CUTOFFS,
    progress: CountCallback | None = None,
) -> tuple[Evaluation, int, list[Path]]:
    """Scores the best checkpoint of a run, and writes the scores into its workdir.

    Returns:
        The evaluation, the step of the checkpoint, and the files written.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
        DataError: the split has no interactions.
    """
    factors, metadata = load_factors(workdir, dataset)
    evaluation = evaluate(score_factors, factors, dataset, split, ks=ks, progress=progress)
    step = metadata.progress.best_step
    return evaluation, step, write_scores(evaluation, workdir, split, dataset, step)
