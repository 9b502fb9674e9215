r"""Time and peak memory of recommendations to a million users.

  python benchmarks/recommend_all.py --users=1000000 --items=5000 --update=docs/serving.md

Embeddings are random: what they say does not matter here, only how many there are. Everything else
is what launch/recommend.py does: ids, history to leave out, parts on disk, one Parquet file.
"""

import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import tables
from absl import app, flags

from symcere_jax.data import Interactions
from symcere_jax.models import Embeddings
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.recommend import IdMap, Recommender
from symcere_jax.recommend.bulk import write_recommendations
from symcere_jax.recommend.text_reader import TextReader
from symcere_jax.settings import Settings
from symcere_jax.training import Metadata, Progress

_USERS = flags.DEFINE_integer("users", 1_000_000, "number of users", 1)
_ITEMS = flags.DEFINE_integer("items", 5_000, "number of items", 1)
_DIM = flags.DEFINE_integer("dim", 64, "width of the embeddings", 1)
_K = flags.DEFINE_integer("k", 10, "items for each user", 1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table 'all_users' is replaced")

HEADER = (
    "users",
    "items",
    "width",
    "k",
    "seconds",
    "CPU s",
    "users/s",
    "file, MB",
    "memory before, MB",
    "peak, MB",
)


def recommender(n_users: int, n_items: int, dim: int) -> Recommender:
    """A recommender of random embeddings, ten seen items a user."""
    rng = np.random.default_rng(0)
    seen = np.sort(rng.integers(n_items, size=(n_users, 10), dtype=np.int32), axis=1)
    users = np.array([f"user-{row:07}" for row in range(n_users)], object)
    items = np.array([f"item-{row:07}" for row in range(n_items)], object)
    history = Interactions(np.arange(0, 10 * n_users + 1, 10), seen.ravel())
    return Recommender(
        users=IdMap("user", users),
        items=IdMap("item", items),
        embeddings=Embeddings(
            users=jnp.asarray(rng.standard_normal((n_users, dim), np.float32)),
            items=jnp.asarray(rng.standard_normal((n_items, dim), np.float32)),
            item_bias=jnp.zeros(n_items),
        ),
        fold_in=cast(FoldIn, cast(Any, SimpleNamespace(neighbors=None))),  # is for what is new
        history=history,
        seen=history,
        texts=TextReader("random", None),
        metadata=Metadata(Settings().as_dict(), "random", "", n_users, n_items, 1, Progress()),
    )


def main(arguments: list[str]) -> None:
    """Recommends to all, and shows the numbers."""
    del arguments
    model = recommender(_USERS.value, _ITEMS.value, _DIM.value)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "all.parquet"
        write_recommendations(
            model,
            np.arange(_USERS.value),
            output,
            k=_K.value,
            progress=lambda done, total: print(f"\r{done:,} of {total:,}", end="", flush=True),
        )
        n_bytes = output.stat().st_size
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row = [
        f"{_USERS.value:,}",
        f"{_ITEMS.value:,}",
        str(_DIM.value),
        str(_K.value),
        f"{seconds:,.0f}",
        f"{cpu:,.0f}",
        f"{_USERS.value / seconds:,.0f}",
        f"{n_bytes / 1e6:,.0f}",
        f"{before.ru_maxrss / 1024:,.0f}",
        f"{after.ru_maxrss / 1024:,.0f}",
    ]
    text = tables.markdown(HEADER, [row], 0)
    print(f"\n{text}")
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "all_users", text)


if __name__ == "__main__":
    app.run(main)
