import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from symcere_jax.errors import DataError
from symcere_jax.recommend.http.batching import Batcher
from symcere_jax.recommend.recommender import Recommender


def test_threads_get_their_own_answers_by_fewer_calls(recommender, monkeypatch):
    calls = []
    all_wait = threading.Event()
    original = Recommender.recommend_rows

    def slow(self, rows, *arguments, **options):
        calls.append(len(rows))
        all_wait.wait(10)  # the first call lasts until all others have come
        return original(self, rows, *arguments, **options)

    monkeypatch.setattr(Recommender, "recommend_rows", slow)
    batcher = Batcher()
    users = recommender.users.ids.tolist()
    asked = [(users[n : n + 1 + n % 3], 1 + n % 5, n % 4 == 0) for n in range(24)]
    with ThreadPoolExecutor(len(asked)) as pool:
        futures = [
            pool.submit(batcher.recommend, recommender, names, k, exclude_seen=seen)
            for names, k, seen in asked
        ]
        while len(batcher._waiting) < len(asked) - 1:
            all_wait.wait(0.01)
        all_wait.set()
        found = [future.result() for future in futures]
    assert sum(calls) == sum(len(names) for names, *_ in asked) and len(calls) <= 4
    for (names, k, seen), rankings in zip(asked, found, strict=True):
        expected = recommender.recommend(names, k, exclude_seen=seen)
        assert [[item for item, _ in row] for row in rankings] == [
            [item for item, _ in row] for row in expected
        ]


def test_an_unknown_user_and_an_error_reach_those_who_asked(recommender, monkeypatch):
    batcher = Batcher()
    with pytest.raises(DataError, match="no user 'nobody'"):
        batcher.recommend(recommender, ["nobody"], 3, exclude_seen=True)

    def fail(self, *arguments, **options):
        raise MemoryError("too much")

    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "recommend_rows", fail)
        with pytest.raises(MemoryError):
            batcher.recommend(recommender, ["user-000"], 3, exclude_seen=True)
    assert len(batcher.recommend(recommender, ["user-000"], 3, exclude_seen=True)[0]) == 3
