r"""Time and peak memory of recommendations to a million users, with random embeddings.

python -m benchmarks.service.all_users --users=1000000 --items=5000 --update=docs/serving.md

Everything else is what launch/recommend.py does: ids, history, parts on disk, one Parquet file.
"""

import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import tables
from benchmarks.speed import problem
from symcere_jax.cli import startup
from symcere_jax.data import Interactions
from symcere_jax.models import Embeddings
from symcere_jax.recommend import IdMap, Recommender
from symcere_jax.recommend.bulk import write_recommendations
from symcere_jax.recommend.text_reader import TextReader
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training import Metadata, Progress

_USERS = flags.DEFINE_integer("users", 1_000_000, "number of users", 1)
_ITEMS = flags.DEFINE_integer("items", 5_000, "number of items", 1)

DIM, K = 64, 10  # width of the embeddings, items for each user


def random_recommender(n_users: int, n_items: int) -> Recommender:
    """A recommender of random embeddings, ten seen items a user."""
    rng = np.random.default_rng(0)
    seen = np.sort(rng.integers(n_items, size=(n_users, 10), dtype=np.int32), axis=1)
    history = Interactions(np.arange(0, 10 * n_users + 1, 10), seen.ravel())
    settings = ResolvedSettings(**problem.DEFAULTS, batch_size=1)
    popularity = np.zeros(n_items, np.float32)
    mixture: Any = SimpleNamespace(popularity=lambda: popularity)  # all else is for what is new
    return Recommender(
        users=IdMap("user", np.array([f"user-{row:07}" for row in range(n_users)], object)),
        items=IdMap("item", np.array([f"item-{row:07}" for row in range(n_items)], object)),
        embeddings=Embeddings(
            users=jnp.asarray(rng.standard_normal((n_users, DIM), np.float32)),
            items=jnp.asarray(rng.standard_normal((n_items, DIM), np.float32)),
            item_bias=jnp.zeros(n_items),
        ),
        mixture=mixture,
        history=history,
        seen=history,
        texts=TextReader("random", None),
        metadata=Metadata(settings, "random", "", n_users, n_items, 1, 1, Progress()),
    )


def main() -> None:
    """Recommends to all, and shows the numbers."""
    model = random_recommender(_USERS.value, _ITEMS.value)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "all.parquet"
        write_recommendations(model, np.arange(_USERS.value), output, k=K)
        n_bytes = output.stat().st_size
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    values = {
        "users": f"{_USERS.value:,}",
        "items": f"{_ITEMS.value:,}",
        "width": str(DIM),
        "k": str(K),
        "seconds": f"{seconds:,.0f}",
        "CPU s": f"{cpu:,.0f}",
        "users/s": f"{_USERS.value / seconds:,.0f}",
        "file, MB": f"{n_bytes / 1e6:,.0f}",
        "memory before, MB": f"{before.ru_maxrss / 1024:,.0f}",
        "peak, MB": f"{after.ru_maxrss / 1024:,.0f}",
    }
    tables.publish(tables.markdown([values], 0), "all_users")


if __name__ == "__main__":
    startup.run(main)
