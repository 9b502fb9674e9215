r"""Recall and latency of approximate search (--index=hnsw), against exact search.

  python -m benchmarks.service.approximate_search --data=gowalla --update=docs/serving.md

Real items are those of Gowalla (--data names the folder of the LightGCN benchmark's files), by a
truncated SVD; scale and bias are those of a model trained on TripAdvisor. Generated items lie
around random centers. One query at a time, one thread; exact search is NumPy's.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from absl import flags
from threadpoolctl import threadpool_limits

from benchmarks import tables
from benchmarks.speed import problem
from symcere_jax.cli import startup
from symcere_jax.models import Embeddings
from symcere_jax.recommend import item_index

_DATA = flags.DEFINE_string("data", None, "folder of the Gowalla files; none: generated items only")
_ITEMS = flags.DEFINE_integer("items", 200_000, "number of generated items", 1)
_QUERIES = flags.DEFINE_integer("queries", 500, "number of queries", 1)

SCALE = 1 / 0.12  # mean norm of users
K, WIDTHS = 10, (32, 128, 512)


def factored(folder: str) -> Embeddings:
    """Directions of items and users, and the items' bias."""
    pairs = problem.load_interactions(folder, 0)
    matrix = scipy.sparse.csr_array((np.ones(len(pairs)), tuple(pairs.T)))
    scales = [scipy.sparse.diags_array(1 / np.sqrt(np.maximum(matrix.sum(a), 1))) for a in (1, 0)]
    left, values, right = scipy.sparse.linalg.svds(scales[0] @ matrix @ scales[1], 64)
    bias = 0.4 * np.log1p(matrix.sum(axis=0))
    return _embeddings(left * values, right.T, bias)


def generated(n_items: int) -> Embeddings:
    """Unit vectors, 64 wide, around 1,000 centers; users are of the same kind."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((1000, 64))
    rows = centers[rng.integers(1000, size=n_items + 5000)]
    rows += 0.7 * rng.standard_normal(rows.shape)
    return _embeddings(rows[n_items:], rows[:n_items], np.zeros(n_items))


def _embeddings(users: np.ndarray, items: np.ndarray, bias: np.ndarray) -> Embeddings:
    users, items = (
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        for rows in (users, items)
    )
    return Embeddings(*(array.astype(np.float32) for array in (users * SCALE, items, bias)))


def measure(
    search: Callable[[np.ndarray], np.ndarray], queries: np.ndarray
) -> tuple[np.ndarray, float]:
    """The items of each query, `[n, 10]`, and the median seconds of a query."""
    items, seconds = [], []
    for query in queries:
        start = time.perf_counter()
        items.append(search(query))
        seconds.append(time.perf_counter() - start)
    return np.stack(items), float(np.median(seconds))


def compare(name: str, embeddings: Embeddings) -> Iterator[dict[str, str]]:
    """A row of the table for exact search, then for each search width."""
    items, bias = np.ascontiguousarray(embeddings.items), np.asarray(embeddings.item_bias)
    n_queries = min(_QUERIES.value, len(embeddings.users))
    chosen = np.random.default_rng(1).choice(len(embeddings.users), n_queries, replace=False)
    queries = np.asarray(embeddings.users)[chosen]

    def exact(query: np.ndarray) -> np.ndarray:
        scores = items @ query + bias
        best = np.argpartition(-scores, K)[:K]
        return best[np.argsort(-scores[best])]

    def row(method: str, nearest: np.ndarray, seconds: float, built: float) -> dict[str, str]:
        hits = [len(set(a) & set(b)) / K for a, b in zip(truth, nearest, strict=True)]
        return {
            "items": f"{name}, {len(items):,}",
            "search": method,
            "recall@10": f"{np.mean(hits):.3f}",
            "µs a query": f"{seconds * 1e6:,.0f}",
            "× exact": f"{base / seconds:.1f}",
            "build, s": f"{built:.1f}",
        }

    truth, base = measure(exact, queries)
    yield row("exact", truth, base, 0)
    for width in WIDTHS:
        start = time.perf_counter()
        item_index.SEARCH_WIDTH = width
        index = item_index.ItemIndex(embeddings)
        built = time.perf_counter() - start
        nearest, seconds = measure(lambda query: index.search(query[None], K)[0], queries)  # noqa: B023
        yield row(f"USearch, width {width}", nearest, seconds, built)


def main() -> None:
    """Measures and shows the table."""
    sources = {"Gowalla": factored(_DATA.value)} if _DATA.value else {}
    sources["generated"] = generated(_ITEMS.value)
    rows: list[dict[str, str]] = []
    with threadpool_limits(1):
        for name, embeddings in sources.items():
            rows += compare(name, embeddings)
    tables.publish(tables.markdown(rows, 2), "retrieval")


if __name__ == "__main__":
    startup.run(main)
