"""Requests that arrive while the model works are answered together by its next call.

A call for thirty users takes about as long as one for a single user. No request waits for a batch
to fill: when the model is free, whoever gets it takes along all that wait.
"""

import dataclasses
import threading

import numpy as np

from symcere_jax.recommend.recommender import Ranking, Recommender

MAX_USERS = 64  # of a call


@dataclasses.dataclass(eq=False)
class _Job:
    recommender: Recommender
    rows: np.ndarray
    k: int
    exclude_seen: bool
    rankings: list[Ranking] | None = None


class Batcher:
    """Joins calls of `Recommender.recommend` from several threads."""

    def __init__(self) -> None:
        self._waiting: list[_Job] = []
        self._model_is_free = threading.Lock()

    def recommend(
        self, recommender: Recommender, users: list[str], k: int, *, exclude_seen: bool
    ) -> list[Ranking]:
        """The same as `recommender.recommend(users, k, exclude_seen=exclude_seen)`."""
        job = _Job(recommender, recommender.users.rows(users), k, exclude_seen)
        self._waiting.append(job)
        with self._model_is_free:
            if job.rankings is None:  # after an error, each job of a batch is tried by itself
                _answer(self._take_batch(job))
        assert job.rankings is not None
        return job.rankings

    def _take_batch(self, first: _Job) -> list[_Job]:
        """A job, and those that wait and can be answered by the same call."""
        batch, n_users = [first], len(first.rows)
        for job in list(self._waiting):
            alike = job.recommender is first.recommender and job.exclude_seen == first.exclude_seen
            if job is not first and alike and n_users + len(job.rows) <= MAX_USERS:
                batch.append(job)
                n_users += len(job.rows)
        self._waiting[:] = [job for job in self._waiting if job not in batch]
        return batch


def _answer(batch: list[_Job]) -> None:
    first = batch[0]
    rows = np.concatenate([job.rows for job in batch])
    k = max(job.k for job in batch)
    top = first.recommender.recommend_rows(rows, k, exclude_seen=first.exclude_seen)
    rankings = first.recommender.name_items(top)
    for job in batch:
        job.rankings = [next(rankings)[: job.k] for _ in job.rows]
