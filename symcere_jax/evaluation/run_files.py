"""Rankings in the format of TREC, which ranx, ir_measures and trec_eval read."""

from pathlib import Path

import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.errors import DataError
from symcere_jax.evaluation.evaluate import Evaluation
from symcere_jax.files import replacing


def write_run_file(
    path: Path, evaluation: Evaluation, dataset: ReviewDataset, split: str, min_rating: float = 0.0
) -> list[Path]:
    """Writes the best items of each user, and beside them what is relevant; returns both paths.

    The run has lines "user Q0 item rank score tag", where the score falls with the rank; the file
    `<path>.qrels` has lines "user 0 item 1", one for each held-out interaction rated at least
    `min_rating`, which is that of the evaluation.

    Raises:
        DataError: an id has white space, which separates the columns of these formats.
    """
    users, items = dataset.user_ids(), dataset.item_ids()
    for kind, ids in (("user", users), ("item", items)):
        broken = next((name for name in ids if len(name.split()) != 1), None)
        if broken is not None:
            raise DataError(f"{kind} id {broken!r} has white space, which run files forbid")
    places, ranks = np.nonzero(evaluation.recommended >= 0)
    shown = items[evaluation.recommended[places, ranks]]
    run = (
        f"{user} Q0 {item} {rank + 1} {1 / (rank + 1):.6f} symcere\n"
        for user, item, rank in zip(users[evaluation.users[places]], shown, ranks, strict=True)
    )
    pairs = dataset.interactions(split)[dataset.is_positive(min_rating, split)]
    held_out = Interactions.from_pairs(pairs, dataset.n_users)
    owners, relevant = held_out.flat(evaluation.users)
    qrels = (
        f"{user} 0 {item} 1\n"
        for user, item in zip(users[evaluation.users[owners]], items[relevant], strict=True)
    )
    paths = [path, path.with_name(f"{path.name}.qrels")]
    for target, lines in zip(paths, (run, qrels), strict=True):
        with replacing(target) as aside, aside.open("w", encoding="utf-8") as file:
            file.writelines(lines)
    return paths
