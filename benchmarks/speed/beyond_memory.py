r"""Trains on generated reviews whose text features stay on disk: time and memory of each program.

  python -m benchmarks.speed.beyond_memory --reviews=10000000 --scratch=/mnt/large \
    --update=docs/speed.md

Each user has three favorite topics. The vector of a review is that of its item's topic, plus noise.
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.data import ReviewDataset
from symcere_jax.data.schema import text_file

_REVIEWS = flags.DEFINE_integer("reviews", 10_000_000, "number of reviews", 1000)
_WIDTH = flags.DEFINE_integer("width", 384, "width of their vectors", 1)
_SCRATCH = flags.DEFINE_string("scratch", None, "folder for large files; default: a temporary one")

N_TOPICS = 500
BLOCK = 100_000
NAME = "precomputed"


def write_reviews(path: Path, n: int) -> None:
    """Writes n reviews of n / 50 users and n / 200 items; item i has the topic i mod `N_TOPICS`."""
    rng = np.random.default_rng(0)
    n_users, n_items = n // 50, max(n // 200, N_TOPICS)
    users = (n_users * rng.random(2 * n) ** 1.3).astype(np.int64)
    topics = rng.integers(N_TOPICS, size=(n_users, 3))[users, rng.integers(3, size=len(users))]
    items = N_TOPICS * (n_items // N_TOPICS * rng.random(len(users)) ** 1.7).astype(np.int64)
    items += np.where(rng.random(len(users)) < 0.6, topics, rng.integers(N_TOPICS, size=len(users)))
    pairs = rng.permutation(np.unique(users * 2 * n_items + items))[:n]
    columns = dict(zip(("user_id", "item_id"), np.divmod(pairs, 2 * n_items), strict=True))
    text = pa.repeat("a review", len(pairs))
    pq.write_table(pa.table({**columns, "text": text}), path)


def write_vectors(path: Path, dataset: ReviewDataset) -> None:
    """Writes a float16 vector for each review of a prepared folder."""
    rng = np.random.default_rng(1)
    topics = rng.standard_normal((N_TOPICS, _WIDTH.value), np.float32)
    items = dataset.reviews(["item"])["item"].to_numpy()
    topic = dataset.item_ids().astype(np.int64) % N_TOPICS
    shape = (len(items), _WIDTH.value)
    vectors = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for start in range(0, len(items), BLOCK):
        block = topics[topic[items[start : start + BLOCK]]]
        vectors[start : start + BLOCK] = block + 1.5 * rng.standard_normal(block.shape, np.float32)
    vectors.flush()


def main() -> None:
    """Runs the programs, and shows the table."""
    with tempfile.TemporaryDirectory(dir=_SCRATCH.value) as name:
        folder = Path(name)
        table, vectors, data = folder / "reviews.parquet", folder / "vectors.npy", folder / "data"
        used = {}
        write_reviews(table, _REVIEWS.value)
        source = ("--source=table", f"--input={table}", "--text_encoder=none")
        used["prepare"] = binaries.run("data_prep/prepare.py", *source, f"--output={data}")
        dataset = ReviewDataset.load(data)
        write_vectors(vectors, dataset)
        encoder = (f"--dataset={data}", f"--text_encoder={NAME}")
        read = (f"--text_embeddings={vectors}", "--text_cache=")
        used["encode"] = binaries.run("data_prep/encode.py", *encoder, *read)
        vectors.unlink()
        settings = (
            "--experts=aligned",
            "--exclude_target=review",
            "--embedding_dim=64",
            "--epochs=1",
        )
        place = f"--workdir={folder / 'run'}"
        used["train, one epoch"] = binaries.run("launch/train.py", *encoder, *settings, place)
        size = (data / text_file(NAME, "reviews")).stat().st_size
    rows = [
        {
            "program": program,
            "reviews": f"{_REVIEWS.value:,}",
            "users": f"{dataset.n_users:,}",
            "items": f"{dataset.n_items:,}",
            "text features, GiB": f"{size / 2**30:.1f}",
            "seconds": f"{usage.seconds:,.0f}",
            "memory of its own, GiB": f"{usage.own / 2**30:.1f}",
        }
        for program, usage in used.items()
    ]
    tables.publish(tables.markdown(rows), "beyond_memory")


if __name__ == "__main__":
    startup.run(main)
