r"""Load test of the HTTP service on loopback: requests a second, and latency.

  python -m benchmarks.service.load_test --workdir=runs/shop --dataset=data/shop \
    --update=docs/serving.md

Starts launch/serve.py on a free port, and asks from --clients connections, each sending its next
request when the last one is answered, --requests in all for each kind, and for at most --seconds.
Client and server share the machine's cores. Every answer must have status 200, or it ends with an
error.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.data import ReviewDataset

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_CLIENTS = flags.DEFINE_multi_integer("clients", [1, 16], "connections at once", 1)
_REQUESTS = flags.DEFINE_integer("requests", 2000, "requests of each kind at most", 1)
_SECONDS = flags.DEFINE_float("seconds", 10.0, "time for each kind at most", 0.1)
_WORDS = flags.DEFINE_list(
    "words", ["quiet", "boutique", "hotel", "beach", "pool", "metro", "view"], "of searches"
)

HEADER = ("request", "clients", "requests", "requests/s", "p50, ms", "p99, ms")


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


async def ask(
    host: str, port: int, path: str, make_body: Callable[[], dict], left: list[int], end: float
) -> list[float]:
    """One connection's requests, until none are left; returns the seconds of each."""
    reader, writer = await asyncio.open_connection(host, port)
    seconds = []
    try:
        while left[0] > 0 and time.perf_counter() < end:
            left[0] -= 1
            body = json.dumps(make_body()).encode()
            head = (
                f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            start = time.perf_counter()
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"content-length: (\d+)", answer, re.I)
            assert length is not None
            content = await reader.readexactly(int(length[1]))
            seconds.append(time.perf_counter() - start)
            if " 200 " not in answer.splitlines()[0]:
                sys.exit(f"error: {path} was answered by {answer.splitlines()[0]}: {content!r}")
    finally:
        writer.close()
        await writer.wait_closed()
    return seconds


async def measure(host: str, port: int, dataset: ReviewDataset) -> list[list[str]]:
    """A row of the table for each kind of request and number of clients."""
    rows = []
    for name, (path, make_body) in request_kinds(dataset).items():
        # Sizes that are not compiled yet are met here, not in the measurement.
        await ask(host, port, path, make_body, [20], time.perf_counter() + 60)
        for clients in _CLIENTS.value:
            left, start = [_REQUESTS.value], time.perf_counter()
            end = start + _SECONDS.value
            asking = [ask(host, port, path, make_body, left, end) for _ in range(clients)]
            seconds = np.concatenate(await asyncio.gather(*asking))
            rate = len(seconds) / (time.perf_counter() - start)
            latencies = [f"{1e3 * p:.1f}" for p in np.quantile(seconds, [0.5, 0.99])]
            rows.append([name, str(clients), f"{len(seconds):,}", f"{rate:,.0f}", *latencies])
            print(*rows[-1], sep="\t", file=sys.stderr, flush=True)
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
                if address := re.search(r"running on http://([\d.]+):(\d+)", line):
                    break
            else:
                sys.exit("error: the service did not start")
            rows = asyncio.run(measure(address[1], int(address[2]), dataset))
        finally:
            service.terminate()
    tables.publish(tables.markdown(HEADER, rows), "serving")


if __name__ == "__main__":
    startup.run(main)
