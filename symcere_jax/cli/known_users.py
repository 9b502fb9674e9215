"""Recommendations to users of the prepared folder: on the terminal, or resumable in a file."""

import sys
from pathlib import Path

import numpy as np

from symcere_jax.cli import app as cli
from symcere_jax.cli import training_runs
from symcere_jax.cli.progress import counting_bar
from symcere_jax.recommend import Recommender
from symcere_jax.recommend.bulk import write_recommendations
from symcere_jax.recommend.formats import print_recommendations


def recommend_known(
    recommender: Recommender,
    rows: np.ndarray | None,
    output: str | None,
    *,
    k: int,
    exclude_seen: bool,
    allowed: np.ndarray | None,
    part_users: int,
) -> None:
    """Recommends, and says where to; ends the program by `PREEMPTED` if it is stopped.

    Args:
        recommender: the model.
        rows: int `[n]` user rows; None: all.
        output: file to write; None: the terminal.
        k: items for each user.
        exclude_seen: leave out what a user interacted with.
        allowed: int `[m]` item rows to choose from; None: all.
        part_users: users done at once, for a file.
    """
    if rows is None:
        rows = np.arange(len(recommender.users))
    if output is None:
        print_recommendations(
            recommender, rows, sys.stdout, k=k, exclude_seen=exclude_seen, allowed=allowed
        )
        return
    stop = training_runs.stop_on_signals("after this part")
    with counting_bar("user") as show:
        complete = write_recommendations(
            recommender,
            rows,
            Path(output),
            k=k,
            exclude_seen=exclude_seen,
            allowed=allowed,
            part_users=part_users,
            progress=show,
            should_stop=stop.is_set,
        )
    if not complete:
        cli.say("stopped; the same command goes on from there")
        sys.exit(cli.PREEMPTED)
    print(f"{len(rows):,} users: {output}")
