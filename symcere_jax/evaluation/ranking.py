"""Full ranking: every user's best items out of the whole catalogue."""

import collections
import functools
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from symcere_jax.callbacks import CountCallback
from symcere_jax.data.interactions import Interactions
from symcere_jax.errors import SymcereError

ScoreBlock = Callable[[Any, jax.Array], jax.Array]
"""`score_block(params, users [b]) -> [b, n_items]`: jittable, a pure function of its arguments.

`params` is any pytree of arrays. Costly work that is the same for all users (message passing, say)
belongs before the ranking, with its result in `params`.
"""

# Scores that a device holds at once. On CPU, memory of 32 MiB and more is mapped anew for each
# block, which takes as long as the work on it.
_SCORE_BYTES = {"cpu": 16 * 2**20, "other": 64 * 2**20}
_LEAST_PAIRS = 1024  # seen pairs that a block has room for, at least
_MAX_BLOCK_USERS = 256  # beyond that a matmul gains nothing, and small user sets are padded more
_MAX_BLOCKS_AT_ONCE = 8  # each takes the memory of a block


def top_k(
    score_block: ScoreBlock,
    params: Any,
    users: np.ndarray,
    seen: Interactions,
    n_items: int,
    k: int,
    *,
    block_users: int | None = None,
    progress: CountCallback | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k best items of each user, out of all items but those the user has seen.

    Blocks of users are scored on all local devices (`jax.pmap`), on CPU several at a time, so that
    no users × items array exists. Every block has the same size, whatever the number of devices and
    users: it is compiled once, and results do not depend on the devices.

    Args:
        score_block: gives the scores of a block of users for all items. Pass the same function
            object each time: its compiled form is kept for the next call.
        params: first argument of `score_block`, copied to every device.
        users: int `[n]` user rows to rank for.
        seen: items that are never recommended to a user.
        n_items: size of the catalogue.
        k: number of ranks; may exceed `n_items`.
        block_users: users scored at once on a device; by default as many as 64 MiB of scores
            allow (16 MiB on CPU), up to 256.
        progress: called after each block.

    Returns:
        int32 `[n, k]` items, best first, equal scores by ascending item row, and float32 `[n, k]`
        scores. Ranks for which no item is left hold item −1 and score −∞.

    Raises:
        ValueError: `k` or `block_users` is less than 1, or the scores have the wrong shape.
        SymcereError: a score is not a number.
    """
    if block_users is None:
        block_users = largest_block(n_items)
    if k < 1 or block_users < 1:
        raise ValueError(f"k is {k} and block_users is {block_users}, both must be at least 1")
    users = np.asarray(users, np.int32)
    items = np.full((len(users), k), -1, np.int32)
    scores = np.full((len(users), k), -np.inf, np.float32)
    n_ranks = min(k, n_items)

    def store(start: int, block_items: jax.Array, block_scores: jax.Array) -> None:
        rows = slice(start, start + block_items.shape[0] * block_users)
        n_rows = len(users[rows])  # the last block is padded
        items[rows, :n_ranks] = np.asarray(block_items).reshape(-1, n_ranks)[:n_rows]
        scores[rows, :n_ranks] = np.asarray(block_scores).reshape(-1, n_ranks)[:n_rows]
        if progress is not None:
            progress(start + n_rows, len(users))

    devices = jax.local_devices()
    rank = _compiled_ranking(score_block, n_items, n_ranks)
    params = jax.device_put(params, NamedSharding(Mesh(devices, "devices"), PartitionSpec()))

    def rank_block(block: tuple[np.ndarray, ...]) -> tuple[jax.Array, jax.Array]:
        return jax.block_until_ready(rank(params, *block))

    n_threads = _blocks_at_once(len(devices))
    waiting: collections.deque[tuple[int, Future]] = collections.deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for start, block in _blocks(users, seen, len(devices), block_users, n_items):
            waiting.append((start, pool.submit(rank_block, block)))
            # The host stores a block and prepares the next while the devices work on others; not
            # the first, by which it is compiled.
            if start == 0 or len(waiting) > n_threads:
                first, ranked = waiting.popleft()
                store(first, *ranked.result())
        for first, ranked in waiting:
            store(first, *ranked.result())
    bad = np.flatnonzero(np.isnan(scores).any(axis=1))
    if len(bad):
        raise SymcereError(
            f"the scores of user row {users[bad[0]]} are not numbers ({len(bad)} such users): "
            "the training has diverged; train again with a lower learning rate"
        )
    return items, scores


def largest_block(n_items: int) -> int:
    """Users that are scored at once on a device unless asked otherwise."""
    limit = _SCORE_BYTES.get(jax.default_backend(), _SCORE_BYTES["other"])
    return max(1, min(_MAX_BLOCK_USERS, limit // (4 * n_items)))


def _blocks_at_once(n_devices: int) -> int:
    """Blocks that are ranked at the same time on each device.

    On CPU a program has parts that only one core works on, the search of the best scores among
    them: the other cores then work on other blocks, one more of which waits for them.
    """
    if jax.default_backend() != "cpu":
        return 1
    return max(1, min(_MAX_BLOCKS_AT_ONCE, 1 + (os.cpu_count() or 1) // n_devices))


@functools.lru_cache(maxsize=32)
def _compiled_ranking(score_block: ScoreBlock, n_items: int, n_ranks: int) -> Callable[..., Any]:
    def rank(
        params: Any, users: jax.Array, seen_rows: jax.Array, seen_items: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        scores = score_block(params, users).astype(jnp.float32)
        if scores.shape != (len(users), n_items):
            raise ValueError(
                f"score_block gave scores of shape {scores.shape}, expected {(len(users), n_items)}"
            )
        # In place, if nothing else is done to all scores: a pass over them takes half as long as
        # the product that gives them. What is not a number is told by a sum, which writes nothing.
        scores = scores.at[seen_rows, seen_items].set(-jnp.inf, mode="drop")
        is_number = ~jnp.isnan(scores.sum(axis=1, keepdims=True))
        best, items = best_columns(scores, n_ranks)
        return jnp.where(jnp.isneginf(best), -1, items), jnp.where(is_number, best, jnp.nan)

    return jax.pmap(rank, in_axes=(None, 0, 0, 0), devices=jax.local_devices())


def best_columns(scores: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The k largest scores of each row: `jax.lax.top_k` in about one pass over the scores.

    None of the k best is outside of the k groups of columns with the largest maxima: one pass finds
    the maxima, and the search is among them and the columns of the best groups.

    Args:
        scores: float32 `[b, n]`, no NaN.
        k: at most n.

    Returns:
        float32 `[b, k]` scores, descending, equal ones (0 and −0 among them) by ascending column,
        and int32 `[b, k]` columns.
    """
    n_rows, n_columns = scores.shape
    # A power of two near the size at which there are as many maxima as columns in the best groups.
    size = 1 << round(math.log2(max(n_columns / k, 1)) / 2)
    n_groups = -(-n_columns // size)
    if 2 * (n_groups + k * size) > n_columns:
        best, columns = jax.lax.top_k(_without_negative_zeros(scores), k)
        return best, columns
    padding = ((0, 0), (0, n_groups * size - n_columns))
    maxima = jax.lax.reduce_window(scores, -jnp.inf, jax.lax.max, (1, size), (1, size), padding)
    groups = jax.lax.top_k(_without_negative_zeros(maxima), k)[1]
    groups = jnp.sort(groups, axis=1)  # ties: columns have to ascend
    columns = (groups[:, :, None] * size + jnp.arange(size)).reshape(n_rows, k * size)
    chosen = jnp.take_along_axis(
        scores, jnp.minimum(columns, n_columns - 1), axis=1, mode="promise_in_bounds"
    )
    chosen = jnp.where(columns < n_columns, _without_negative_zeros(chosen), -jnp.inf)
    best, places = jax.lax.top_k(chosen, k)
    return best, jnp.take_along_axis(columns, places, axis=1, mode="promise_in_bounds")


def _without_negative_zeros(x: jax.Array) -> jax.Array:
    return jnp.where(x == 0.0, 0.0, x)  # top_k would rank −0 below 0


def _blocks(
    users: np.ndarray, seen: Interactions, n_devices: int, block_users: int, n_items: int
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Users `[n_devices, block_users]` and their seen (row in block, item) pairs, step by step.

    Pairs rather than padded lists: a few users with long lists would set the width for all.
    """
    step = n_devices * block_users
    starts = np.arange(0, len(users), block_users)
    n_pairs = np.add.reduceat(seen.counts(users), starts) if len(users) else np.zeros(1, int)
    # A power of two, not a small one: other users then seldom need another compilation.
    width = max(_LEAST_PAIRS, 1 << int(n_pairs.max()).bit_length())
    for start in range(0, len(users), step):
        rows, items = seen.flat(users[start : start + step])
        devices = rows // block_users
        columns = np.arange(len(rows)) - np.searchsorted(devices, devices)
        seen_rows = np.zeros((n_devices, width), np.int32)
        seen_items = np.full((n_devices, width), n_items, np.int32)  # out of range: dropped
        seen_rows[devices, columns] = rows % block_users
        seen_items[devices, columns] = items
        block = np.zeros(step, np.int32)
        block[: len(users) - start] = users[start : start + step]
        yield start, (block.reshape(n_devices, block_users), seen_rows, seen_items)
