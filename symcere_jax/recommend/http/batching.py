"""Requests that arrive while the model works are answered together by its next call.

A call for thirty users takes about as long as one for a single user. No request waits for a batch
to fill: when the model is free, it answers all waiting requests together.
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

    def joins(self, first: "_Job") -> bool:
        """Whether the same call can answer it."""
        return self.recommender is first.recommender and self.exclude_seen == first.exclude_seen


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
                self._answer(job)
        assert job.rankings is not None
        return job.rankings

    def _answer(self, first: _Job) -> None:
        """Answers a job, and those that wait and that the same call can answer."""
        batch, n_users = [first], len(first.rows)
        for job in list(self._waiting):
            if job is not first and job.joins(first) and n_users + len(job.rows) <= MAX_USERS:
                batch.append(job)
                n_users += len(job.rows)
        self._waiting[:] = [job for job in self._waiting if job not in batch]
        rows = np.concatenate([job.rows for job in batch])
        k, exclude_seen = max(job.k for job in batch), first.exclude_seen
        top = first.recommender.recommend_rows(rows, k, exclude_seen=exclude_seen)
        rankings = first.recommender.name_items(top)
        for job in batch:
            job.rankings = [next(rankings)[: job.k] for _ in job.rows]
