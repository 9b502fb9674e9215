r"""Recall and latency of approximate nearest neighbours, against exact search.

  python benchmarks/retrieval.py --data=gowalla --update=docs/serving.md

Real items: the Gowalla check-ins (--data names the folder of the LightGCN benchmark's files),
factored by a truncated SVD of the normalised matrix: 40,981 items, 64 wide, of norm 1; users are
divided by a temperature of 0.12, and 0.4 log(1 + check-ins) is the items' bias, as a trained model
on TripAdvisor has it. Generated items: --items of them around random centres. Each
library builds the same kind of graph (HNSW, 16 links, build width 128) over rows of one length, see
symcere_jax/recommend/item_index.py; one query at a time, one thread. Exact search is a matrix
product and a partial sort in NumPy, one thread too.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import tables
from absl import app, flags
from graphs import read_interactions
from threadpoolctl import threadpool_limits

from symcere_jax.recommend.item_index import item_vectors, query_vectors

_DATA = flags.DEFINE_string("data", None, "folder of the Gowalla files; none: generated items only")
_ITEMS = flags.DEFINE_integer("items", 200_000, "number of generated items", 1)
_QUERIES = flags.DEFINE_integer("queries", 500, "number of queries", 1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table 'retrieval' is replaced")

SCALE = 1 / 0.12  # mean norm of users
HEADER = ("items", "search", "width", "recall@10", "µs a query", "× exact", "build, s")
K, LINKS, BUILD_WIDTH, WIDTHS = 10, 16, 128, (32, 128, 512)

Search = Callable[[np.ndarray], Any]


Model = tuple[np.ndarray, np.ndarray, np.ndarray]  # items, bias, users


def gowalla(folder: Path) -> Model:
    """Directions of items and users, and the items' bias."""
    pairs = read_interactions(folder / "train.txt.gz")
    users, items = pairs.T
    matrix = scipy.sparse.csr_array((np.ones(len(pairs)), (users, items)))
    scale = [1 / np.sqrt(np.maximum(matrix.sum(axis=axis), 1)) for axis in (1, 0)]
    normalised = scipy.sparse.diags_array(scale[0]) @ matrix @ scipy.sparse.diags_array(scale[1])
    left, values, right = scipy.sparse.linalg.svds(normalised, 64, random_state=0)
    bias = 0.4 * np.log1p(matrix.sum(axis=0))
    return _directions(right.T), bias, _directions(left * values) * SCALE


def generated(n_items: int) -> Model:
    """Unit vectors, 64 wide, around 1,000 centres; queries are of the same kind."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, 64))
    rows = centres[rng.integers(1000, size=n_items + 5000)]
    rows += 0.7 * rng.standard_normal(rows.shape)
    rows = _directions(rows)
    return rows[:n_items], np.zeros(n_items), rows[n_items:] * SCALE


def _directions(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def libraries(items: np.ndarray) -> Iterator[tuple[str, float, int, Search]]:
    """Name, seconds to build, search width and search of each library that is installed."""
    n, dim = items.shape
    try:
        from usearch.index import Index

        start = time.perf_counter()
        index = Index(
            ndim=dim, metric="l2sq", dtype="f32", connectivity=LINKS, expansion_add=BUILD_WIDTH
        )
        index.add(np.arange(n, dtype=np.uint64), items, threads=1)
        built = time.perf_counter() - start
        for width in WIDTHS:
            index.expansion_search = width
            yield "USearch", built, width, lambda query: index.search(query, K, threads=1).keys
    except ImportError:
        print("USearch is not installed")
    try:
        import hnswlib

        start = time.perf_counter()
        graph = hnswlib.Index("l2", dim)
        graph.init_index(n, M=LINKS, ef_construction=BUILD_WIDTH)
        graph.set_num_threads(1)
        graph.add_items(items, num_threads=1)
        built = time.perf_counter() - start
        for width in WIDTHS:
            graph.set_ef(width)
            yield "hnswlib", built, width, lambda query: graph.knn_query(query, K, num_threads=1)[0]
    except ImportError:
        print("hnswlib is not installed")
    try:
        import faiss

        faiss.omp_set_num_threads(1)
        start = time.perf_counter()
        flat = faiss.IndexHNSWFlat(dim, LINKS, faiss.METRIC_L2)
        flat.hnsw.efConstruction = BUILD_WIDTH
        flat.add(items)
        built = time.perf_counter() - start
        for width in WIDTHS:
            flat.hnsw.efSearch = width
            yield "Faiss HNSW", built, width, lambda query: flat.search(query[None], K)[1]
    except ImportError:
        print("Faiss is not installed")


def measure(search: Search, queries: np.ndarray) -> tuple[np.ndarray, float]:
    """What is found, int `[n, 10]`, and the median seconds of a query."""
    found, seconds = [], []
    for query in queries:
        start = time.perf_counter()
        result = search(query)
        seconds.append(time.perf_counter() - start)
        found.append(np.ravel(np.asarray(result)).astype(np.int64))
    return np.stack(found), float(np.median(seconds))


def compare(
    name: str, items: np.ndarray, bias: np.ndarray, users: np.ndarray
) -> Iterator[list[str]]:
    """A row of the table for exact search, then for each library and search width."""
    chosen = np.random.default_rng(1).choice(len(users), min(_QUERIES.value, len(users)), False)
    rows = item_vectors(items, bias, SCALE)
    queries = query_vectors(users[chosen], SCALE)
    factors = np.ascontiguousarray(items, np.float32)
    bias = bias.astype(np.float32)

    def exact(query: np.ndarray) -> np.ndarray:
        scores = factors @ query[:-2] + bias
        best = np.argpartition(-scores, K)[:K]
        return best[np.argsort(-scores[best])]

    truth, base = measure(exact, queries)
    label = f"{name}, {len(items):,}"
    yield [label, "exact", "", "1.000", f"{base * 1e6:,.0f}", "1.0", "0"]
    for library, built, width, search in libraries(rows):
        found, seconds = measure(search, queries)
        hits = [len(set(a) & set(b)) / K for a, b in zip(truth, found, strict=True)]
        yield [
            label,
            library,
            str(width),
            f"{np.mean(hits):.3f}",
            f"{seconds * 1e6:,.0f}",
            f"{base / seconds:.1f}",
            f"{built:.1f}",
        ]


def main(arguments: list[str]) -> None:
    """Measures and shows the table."""
    del arguments
    rows: list[list[str]] = []
    sources = [("generated", generated(_ITEMS.value))]
    if _DATA.value:
        sources.insert(0, ("Gowalla", gowalla(Path(_DATA.value))))
    for name, model in sources:
        with threadpool_limits(1):
            for row in compare(name, *model):
                print(*row, sep="\t", flush=True)
                rows.append(row)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "retrieval", tables.markdown(HEADER, rows, 2))


if __name__ == "__main__":
    app.run(main)
