"""Requests that come while the model works are answered together by its next call.

A call for thirty users takes about as long as one for a single user. Nobody waits for a batch to
fill: when the model is free, whoever comes first takes along all that wait.
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
    found: list[Ranking] | None = None
    error: Exception | None = None
    called: threading.Event = dataclasses.field(default_factory=threading.Event)

    @property
    def is_done(self) -> bool:
        return self.found is not None or self.error is not None


class Batcher:
    """Joins calls of `Recommender.recommend` from several threads."""

    def __init__(self) -> None:
        self._waiting: list[_Job] = []
        self._lock = threading.Lock()
        self._is_busy = False  # a thread leads: it answers some, then names who leads next

    def recommend(
        self, recommender: Recommender, users: list[str], k: int, *, exclude_seen: bool
    ) -> list[Ranking]:
        """The same as `recommender.recommend(users, k, exclude_seen=exclude_seen)`."""
        job = _Job(recommender, recommender.users.rows(users), k, exclude_seen)
        with self._lock:
            self._waiting.append(job)
            leads = not self._is_busy
            self._is_busy = True
        if not leads:
            job.called.wait()  # answered, or next in turn to lead
        if not job.is_done:
            for other in self._run(self._take(job)):
                other.called.set()
            with self._lock:
                self._is_busy = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].called.set()
        if job.error is not None:
            raise job.error
        assert job.found is not None
        return job.found

    def _take(self, first: _Job) -> list[_Job]:
        """A job, and those that wait and can be answered by the same call."""
        jobs, n_users = [first], len(first.rows)
        with self._lock:
            self._waiting.remove(first)
            for job in list(self._waiting):
                alike = job.recommender is first.recommender
                alike &= job.exclude_seen == first.exclude_seen
                if alike and n_users + len(job.rows) <= MAX_USERS:
                    jobs.append(job)
                    n_users += len(job.rows)
                    self._waiting.remove(job)
        return jobs

    @staticmethod
    def _run(jobs: list[_Job]) -> list[_Job]:
        first = jobs[0]
        try:
            rows = np.concatenate([job.rows for job in jobs])
            k = max(job.k for job in jobs)
            ranked = first.recommender.recommend_rows(rows, k, exclude_seen=first.exclude_seen)
            rankings = first.recommender.name_rankings(*ranked)
        except Exception as error:
            for job in jobs:
                job.error = error
            return jobs
        start = 0
        for job in jobs:
            part = rankings[start : start + len(job.rows)]
            job.found = [ranking[: job.k] for ranking in part]
            start += len(job.rows)
        return jobs
