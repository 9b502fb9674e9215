"""Full ranking: every user's best items out of the whole catalog."""

import collections
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from symcere_jax.callbacks import CountCallback
from symcere_jax.cores import usable_cores
from symcere_jax.data.interactions import Interactions
from symcere_jax.errors import SymcereError
from symcere_jax.evaluation.metrics import RANKING_METRICS, ranking_metrics

ScoreBlock = Callable[[Any, jax.Array], jax.Array]
"""`score_block(params, users [b]) -> [b, n_items]`: jittable, a pure function of its arguments.

`params` is any pytree of arrays. Costly work that is the same for all users (message passing, say)
belongs before the ranking, with its result in `params`.
"""

# Scores that a device holds at once. On CPU, memory of 32 MiB and more is mapped anew for each
# block, which takes as long as the work on it.
_SCORE_BYTES = {"cpu": 16 * 2**20, "other": 64 * 2**20}
_MIN_PAIRS = 1024  # seen or relevant pairs that a block has room for, at least
_MAX_BLOCK_USERS = 256  # beyond that a matmul gains nothing, and small user sets are padded more
_MAX_BLOCKS_AT_ONCE = 8  # each takes the memory of a block
_DIVERGED = "the training has diverged; train again with a lower learning rate"


def top_k(
    score_block: ScoreBlock,
    params: Any,
    users: np.ndarray,
    seen: Interactions,
    n_items: int,
    k: int,
    *,
    relevant: Interactions | None = None,
    ks: Sequence[int] = (),
    block_users: int | None = None,
    checks_params: bool = True,
    progress: CountCallback | None = None,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The k best items of each user, out of all items but those the user has seen.

    Blocks of users are scored on all local devices (`jax.pmap`), on CPU several at a time, so that
    no users × items array exists. Every block has the same size, whatever the number of devices and
    users: it is compiled once, and results do not depend on the devices. Metrics are computed where
    the block is ranked.

    Args:
        score_block: gives the scores of a block of users for all items. Pass the same function
            object each time: its compiled form is kept for the next call.
        params: first argument of `score_block`, copied to every device.
        users: int `[n]` user rows to rank for.
        seen: items that are never recommended to a user.
        n_items: size of the catalog.
        k: number of ranks; may exceed `n_items`.
        relevant: the items to recommend, at least one for each of `users`; None: no metrics.
        ks: cutoffs of the metrics, up to k.
        block_users: users scored at once on a device; None: `largest_block`.
        checks_params: look for NaN in `params`, which takes a pass over them.
        progress: called after each block.

    Returns:
        int32 `[n, k]` items, best first, equal scores by ascending item row; float32 `[n, k]`
        scores; and "metric@k" -> float64 `[n]`, as `metrics.ranking_metrics` defines them. Ranks
        for which no item is left hold item −1 and score −∞.

    Raises:
        ValueError: `k` or `block_users` is less than 1, the scores have the wrong shape, or a user
            has no relevant item.
        SymcereError: `params` holds NaN, or one of the best scores is not finite.
    """
    if block_users is None:
        block_users = largest_block(n_items)
    if k < 1 or block_users < 1:
        raise ValueError(f"k is {k} and block_users is {block_users}, both must be at least 1")
    users = np.asarray(users, np.int32)
    scores: np.ndarray = np.empty((len(users), k), np.float32)
    tables = [np.empty((len(users), k), np.int32), scores]
    names = [f"{name}@{k}" for k in ks for name in RANKING_METRICS]
    if relevant is not None:
        if len(users) and relevant.counts(users).min() < 1:
            raise ValueError("a user has no relevant item: only users with one can be evaluated")
        tables.append(np.empty((len(users), len(names))))

    def store(start: int, *block: jax.Array) -> None:
        n_rows = len(users[start : start + step])  # the last block is padded
        for table, part in zip(tables, block, strict=True):
            table[start : start + step] = np.asarray(part).reshape(step, -1)[:n_rows]
        if progress is not None:
            progress(start + n_rows, len(users))

    devices = jax.local_devices()
    step = len(devices) * block_users
    rank = _compiled_ranking(score_block, n_items, k)
    measure = _compiled_metrics(tuple(ks))
    params = jax.device_put(params, NamedSharding(Mesh(devices, "devices"), PartitionSpec()))
    if checks_params:
        check_numbers(params)

    def rank_block(
        block: np.ndarray,
        seen_pairs: Sequence[np.ndarray],
        n_relevant: np.ndarray | None = None,
        relevant_pairs: Sequence[np.ndarray] = (),
    ) -> tuple[jax.Array, ...]:
        ranked = rank(params, block, *seen_pairs)
        if n_relevant is not None:
            with jax.enable_x64(True):  # in this thread, and not for the scores
                ranked += (measure(ranked[0], n_relevant, *relevant_pairs),)
        return jax.block_until_ready(ranked)

    sizes = len(devices), block_users
    blocks: list[Iterator[Any]] = [_blocks(users, *sizes), _pairs(seen, users, *sizes, n_items)]
    if relevant is not None:
        n_relevant = relevant.counts(users).astype(np.int32)
        blocks += [_blocks(n_relevant, *sizes), _pairs(relevant, users, *sizes, n_items)]
    n_threads = _blocks_at_once(len(devices))
    waiting: collections.deque[tuple[int, Future]] = collections.deque()
    starts = range(0, len(users), step)
    if len(starts) == 1:  # threads would take longer to start than the block takes
        store(0, *rank_block(*map(next, blocks)))
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            for start, *block in zip(starts, *blocks, strict=True):
                waiting.append((start, pool.submit(rank_block, *block)))
                # The host stores a block and prepares the next while the devices work on others;
                # not the first, by which it is compiled.
                if start == 0 or len(waiting) > n_threads:
                    first, ranked = waiting.popleft()
                    store(first, *ranked.result())
            for first, ranked in waiting:
                store(first, *ranked.result())
    bad = np.flatnonzero(~(scores < np.inf).all(axis=1))
    if len(bad):
        raise SymcereError(
            f"scores of user row {users[bad[0]]} are not finite ({len(bad)} such users): "
            f"{_DIVERGED}"
        )
    items, scores, *measured = tables
    columns = [column for table in measured for column in np.ascontiguousarray(table.T)]
    return items, scores, dict(zip(names, columns, strict=True))


def check_numbers(params: Any) -> None:
    """Makes sure that parameters are numbers.

    Raises:
        SymcereError: they hold NaN.
    """
    if _has_nan(params):
        raise SymcereError(f"the model holds values that are not numbers: {_DIVERGED}")


@jax.jit
def _has_nan(params: Any) -> jax.Array:
    """Whether parameters hold NaN: in all scores, the search would take another pass over them."""
    leaves = [leaf for leaf in jax.tree.leaves(params) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.array([jnp.isnan(leaf).any() for leaf in leaves], bool).any()


def largest_block(n_items: int) -> int:
    """Users scored at once on a device by default: 64 MiB of scores (CPU: 16), up to 256 users."""
    limit = _SCORE_BYTES.get(jax.default_backend(), _SCORE_BYTES["other"])
    return max(1, min(_MAX_BLOCK_USERS, limit // (4 * n_items)))


def _blocks_at_once(n_devices: int) -> int:
    """Blocks that are ranked at the same time on each device.

    On CPU a part of the program, such as the search for the best scores, runs on a single core: the
    others work on other blocks meanwhile.
    """
    if jax.default_backend() != "cpu":
        return 1
    return max(1, min(_MAX_BLOCKS_AT_ONCE, 1 + usable_cores() // n_devices))


@functools.lru_cache(maxsize=32)
def _compiled_ranking(score_block: ScoreBlock, n_items: int, k: int) -> Callable[..., Any]:
    n_ranks = min(k, n_items)

    def rank(
        params: Any, users: jax.Array, seen_rows: jax.Array, seen_items: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        scores = score_block(params, users).astype(jnp.float32)
        if scores.shape != (len(users), n_items):
            raise ValueError(
                f"score_block gave scores of shape {scores.shape}, expected {(len(users), n_items)}"
            )
        # In place, if nothing else is done to all scores: a pass over them takes up to half as
        # long as the product that gives them.
        scores = scores.at[seen_rows, seen_items].set(-jnp.inf, mode="drop")
        best, items = best_columns(scores, n_ranks)
        best = jnp.pad(best, ((0, 0), (0, k - n_ranks)), constant_values=-jnp.inf)
        items = jnp.pad(items, ((0, 0), (0, k - n_ranks)))
        return jnp.where(jnp.isneginf(best), -1, items), best

    return jax.pmap(rank, in_axes=(None, 0, 0, 0), devices=jax.local_devices())


@functools.lru_cache(maxsize=32)
def _compiled_metrics(ks: tuple[int, ...]) -> Callable[..., Any]:
    """Separate from the ranking, so that it is compiled once for all models."""
    return jax.pmap(functools.partial(ranking_metrics, ks=ks), devices=jax.local_devices())


def _blocks(values: np.ndarray, n_devices: int, block_users: int) -> Iterator[np.ndarray]:
    """Values of users, `[n_devices, block_users]` a step; the last value pads the last step."""
    step = n_devices * block_users
    for start in range(0, len(values), step):
        places = np.minimum(np.arange(start, start + step), len(values) - 1)
        yield values[places].reshape(n_devices, block_users)


def _pairs(
    interactions: Interactions, users: np.ndarray, n_devices: int, block_users: int, n_items: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(Row in block, item) pairs of users, int32 `[n_devices, width]` rows and items a step.

    Pairs rather than padded lists: a few users with long lists would set the width for all.
    """
    step = n_devices * block_users
    starts = np.arange(0, len(users), block_users)
    n_pairs = (
        np.add.reduceat(interactions.counts(users), starts) if len(users) else np.zeros(1, int)
    )
    # A power of two, not a small one: other users then seldom need another compilation.
    width = max(_MIN_PAIRS, 1 << int(n_pairs.max()).bit_length())
    for start in range(0, len(users), step):
        rows, items = interactions.flat(users[start : start + step])
        devices = rows // block_users
        columns = np.arange(len(rows)) - np.searchsorted(devices, devices)
        block_rows = np.zeros((n_devices, width), np.int32)
        block_items = np.full((n_devices, width), n_items, np.int32)  # padding: no such item
        block_rows[devices, columns] = rows % block_users
        block_items[devices, columns] = items
        yield block_rows, block_items


def best_columns(scores: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The k largest scores of each row, float32 `[b, n]`, k ≤ n, and their columns, `[b, k]` each.

    Like `jax.lax.top_k`, but in about one pass over the scores.

    None of the k best is outside of the k groups of columns with the largest maxima: one pass finds
    the maxima, and the search is among them and the columns of the best groups. Equal scores, 0 and
    −0 among them, are by ascending column; there is no NaN.
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
