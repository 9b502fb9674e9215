r"""Load test of the HTTP service on loopback: requests a second, and latency.

  python -m benchmarks.service.load_test --workdir=runs/shop --dataset=data/shop \
    --update=docs/serving.md

Starts launch/serve.py on a free port. Each of --clients connections sends its next request when the
last one is answered. Client and server share the machine's cores.
"""

import contextlib
import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_CLIENTS = flags.DEFINE_multi_integer("clients", [1, 16], "connections at once", 1)
_REQUESTS = flags.DEFINE_integer("requests", 2000, "requests of each kind at most", 1)
_SECONDS = flags.DEFINE_float("seconds", 10.0, "time for each kind at most", 0.1)
_WORDS = flags.DEFINE_list(
    "words", ["quiet", "boutique", "hotel", "beach", "pool", "metro", "view"], "of searches"
)


def request_kinds(dataset: ReviewDataset) -> dict[str, tuple[str, Callable[[], dict]]]:
    """Name -> path, and what makes a body."""
    rng = np.random.default_rng(0)

    def draw(ids: np.ndarray, n: int) -> list[str]:
        return ids[rng.integers(len(ids), size=n)].tolist()

    users, items, words = dataset.user_ids(), dataset.item_ids(), np.array(_WORDS.value)
    return {
        "recommend, 1 user": ("/recommend", lambda: {"users": draw(users, 1)}),
        "recommend, 32 users": ("/recommend", lambda: {"users": draw(users, 32)}),
        "new user, 2 items": ("/new_user", lambda: {"items": draw(items, 2)}),
        "similar, 1 item": ("/similar", lambda: {"items": draw(items, 1)}),
        "search, 4 words": ("/search", lambda: {"text": " ".join(draw(words, 4))}),
    }


def ask(
    address: str, path: str, make_body: Callable[[], dict], left: Iterator[int], end: float
) -> list[float]:
    """One connection's requests, until none are left; returns the seconds of each."""
    seconds = []
    with contextlib.closing(http.client.HTTPConnection(address)) as connection:
        while time.perf_counter() < end and next(left, None) is not None:
            body = json.dumps(make_body())
            start = time.perf_counter()
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            seconds.append(time.perf_counter() - start)
            if answer.status != 200:
                raise DataError(f"{path}: status {answer.status}, {content!r}")
    return seconds


def measure(address: str, dataset: ReviewDataset) -> list[dict[str, str]]:
    """A row of the table for each kind of request and number of clients."""
    rows = []
    for name, (path, make_body) in request_kinds(dataset).items():
        # Compiles before the measurement.
        ask(address, path, make_body, iter(range(20)), time.perf_counter() + 60)
        for clients in _CLIENTS.value:
            left, start = iter(range(_REQUESTS.value)), time.perf_counter()
            asked = (address, path, make_body, left, start + _SECONDS.value)
            with ThreadPoolExecutor(clients) as pool:
                asking = [pool.submit(ask, *asked) for _ in range(clients)]
            seconds = np.concatenate([each.result() for each in asking])
            middle, late = 1e3 * np.quantile(seconds, [0.5, 0.99])
            rows.append(
                {
                    "request": name,
                    "clients": str(clients),
                    "requests": f"{len(seconds):,}",
                    "requests/s": f"{len(seconds) / (time.perf_counter() - start):,.0f}",
                    "p50, ms": f"{middle:.1f}",
                    "p99, ms": f"{late:.1f}",
                }
            )
            print(*rows[-1].values(), sep="\t", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Starts the service, asks, and shows the table."""
    dataset = ReviewDataset.load(_DATASET.value)
    command = [sys.executable, str(binaries.ROOT / "launch/serve.py"), "--port=0"]
    command += [f"--workdir={_WORKDIR.value}", f"--dataset={_DATASET.value}"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=binaries.environment()
    ) as service:
        try:
            assert service.stderr is not None
            for line in service.stderr:
                if address := re.search(r"running on http://([\d.:]+)", line):
                    break
            else:
                sys.exit("error: the service did not start")
            rows = measure(address[1], dataset)
        finally:
            service.terminate()
    tables.publish(tables.markdown(rows), "serving")


if __name__ == "__main__":
    startup.run(main)
