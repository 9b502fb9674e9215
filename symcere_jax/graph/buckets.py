"""Neighbor lists laid out for fast sums: rows of similar length side by side.

The sum over the neighbors of every node is computed as a few large, regular gathers:

- The neighbors of a node are a *list*. A list longer than `MAX_ROW` is cut into several *rows*,
  whose sums are then added by a list of the next *level*; any other list is a row by itself. So
  a node of very high degree costs neither long loops nor padding.
- The rows of a level are dealt into *buckets* by length. A bucket is as wide as its longest row;
  shorter ones are padded. The bounds between buckets are chosen for the least padding.
- A bucket is stored transposed, `[steps, unroll, rows]`: each step of a loop over it adds `unroll`
  neighbors to every row.

A row's place in the sequence of all buckets is its *slot*. Node states are held in slot order.

Cache misses limit the speed of gathers, so order matters: all users come before all items, because
each side reads only the other one's states; and a list starts with its most popular neighbors, so
that one step of a loop reads neighbors of similar popularity.
"""

import dataclasses

import jax
import numpy as np

# Chosen by measurement with benchmarks.speed.comparison. Rows of 64 and 128 are equally fast,
# those of 32 and 256 are slower, and 64 compiles faster than 128.
MAX_ROW = 64
# Neighbors added in one pass over a bucket. 8 is faster than 4 and 16.
UNROLL = 8
# What a bucket has to save, as a share of all gathers: it takes 0.05 to 0.1 s to compile. Between
# 0.5 % (21 buckets on Gowalla) and 4 % (10 buckets) the speed is the same.
BUCKET_COST = 0.02
# The least gathers that a bucket has to save: in a small graph, padding takes no time.
MIN_BUCKET_COST = 1000


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BucketedAdjacency:
    """Neighbor lists in buckets of similar length: the fast method."""

    # Buckets, int32 `[steps, unroll, rows]`, of the slots whose states are added. Level 0 adds
    # states of nodes, each other level adds sums of the one before it.
    levels: tuple[tuple[jax.Array, ...], ...]
    slot_of_node: jax.Array  # int32 `[n_nodes]`
    node_of_slot: jax.Array  # int32 `[n_slots]`, `n_nodes` where the slot belongs to no node
    degree: jax.Array  # float32 `[n_nodes]`, 1 for an isolated node, so that it can divide
    n_nodes: int = dataclasses.field(metadata={"static": True})
    n_edges: int = dataclasses.field(metadata={"static": True})

    @property
    def padding_factor(self) -> float:
        """Gathered states for each edge, 1 at best."""
        n_gathered = sum(bucket.size for level in self.levels for bucket in level)
        return n_gathered / max(self.n_edges, 1)


def build_buckets(senders: np.ndarray, receivers: np.ndarray, n_nodes: int) -> BucketedAdjacency:
    """Lays out the neighbor lists of a graph, in time O(edges · log edges).

    Args:
        senders: int `[n_edges]`, nodes whose states are added.
        receivers: int `[n_edges]`, the nodes that they are added for.
        n_nodes: number of nodes.
    """
    degree = np.bincount(receivers, minlength=n_nodes)
    senders = _lists_by_popularity(senders, receivers, degree)
    # One list more than nodes, an empty one: its sum is 0, and padding points to it.
    lengths = np.append(degree, 0)
    owners = np.arange(n_nodes + 1)
    # Items have neighbors that come before them. Empty lists go last, behind all that changes.
    groups = np.ones(n_nodes + 1, bool)
    groups[np.repeat(owners, lengths)] = senders < np.repeat(owners, lengths)

    slot_of_owner = np.empty(n_nodes + 1, np.int32)
    layouts: list[_Layout] = []
    parts: list[np.ndarray] = []
    n_slots = 0
    bucket_cost = max(BUCKET_COST * len(senders), MIN_BUCKET_COST)
    while len(lengths):
        layout = _Layout(lengths, groups, first_slot=n_slots, bucket_cost=bucket_cost)
        whole = layout.n_rows == 1
        slot_of_owner[owners[whole]] = layout.slots[np.repeat(whole, layout.n_rows)]
        layouts.append(layout)
        parts.append(layout.slots[np.repeat(~whole, layout.n_rows)])
        n_slots += len(layout.slots)
        lengths, owners = layout.n_rows[~whole], owners[~whole]
        groups = np.zeros(len(owners), bool)

    # Level 0 adds nodes; another level adds the rows of the one before it that are parts of a list.
    summands = [slot_of_owner[senders], *parts[:-1]]
    padding = slot_of_owner[n_nodes]
    levels = tuple(
        layout.buckets(slots, padding) for layout, slots in zip(layouts, summands, strict=True)
    )
    node_of_slot = np.full(n_slots, n_nodes, np.int32)
    node_of_slot[slot_of_owner[:n_nodes]] = np.arange(n_nodes)
    nonzero = np.maximum(degree, 1).astype(np.float32)
    arrays = {"levels": levels, "slot_of_node": slot_of_owner[:n_nodes]}
    arrays |= {"node_of_slot": node_of_slot, "degree": nonzero}
    return BucketedAdjacency(**jax.device_put(arrays), n_nodes=n_nodes, n_edges=len(receivers))


class _Layout:
    """Where the lists of one level go: `n_rows [n_lists]`, `slots [sum(n_rows)]`, list by list."""

    def __init__(
        self, lengths: np.ndarray, groups: np.ndarray, *, first_slot: int, bucket_cost: float
    ) -> None:
        self._lengths = lengths
        self.n_rows = np.maximum(_ceil_div(lengths, MAX_ROW), 1)
        rest = np.repeat(lengths, self.n_rows) - MAX_ROW * _ranks(self.n_rows)
        row_lengths = np.minimum(rest, MAX_ROW)
        row_groups = np.repeat(groups, self.n_rows)

        bucket = np.empty(len(row_lengths), int)
        widths: list[int] = []
        for group in np.unique(groups):
            members = row_groups == group
            chosen = _choose_widths(row_lengths[members], bucket_cost)
            # `chosen` descends: the last one that is wide enough.
            narrower = np.searchsorted(chosen[::-1], row_lengths[members])
            bucket[members] = len(widths) + len(chosen) - 1 - narrower
            widths.extend(chosen)
        self._widths = np.array(widths)
        self._rows = np.bincount(bucket, minlength=len(widths))
        # Stable: rows of a bucket stay in the order of their nodes, which may carry locality.
        order = np.argsort(bucket, kind="stable")
        self._place = np.empty_like(order)
        self._place[order] = np.arange(len(order))
        self.slots = (first_slot + self._place).astype(np.int32)

    def buckets(self, summands: np.ndarray, padding: int) -> tuple[np.ndarray, ...]:
        """Fills the buckets with slots to be added, given list after list."""
        first_entry = _offsets(self._rows * self._widths)
        flat = np.full(first_entry[-1], padding, np.int32)
        # Entry k of a row lies k · rows behind its entry 0.
        bucket = np.repeat(np.arange(len(self._rows)), self._rows)[self._place]
        entry = self._place + (first_entry - _offsets(self._rows))[bucket]
        rank = _ranks(self._lengths)
        row = np.repeat(_offsets(self.n_rows)[:-1], self._lengths) + rank // MAX_ROW
        flat[entry[row] + rank % MAX_ROW * self._rows[bucket][row]] = summands
        return tuple(
            entries.reshape(steps, width // max(steps, 1), rows)
            for entries, steps, width, rows in zip(
                np.split(flat, first_entry[1:-1]),
                _steps(self._widths),
                self._widths,
                self._rows,
                strict=True,
            )
        )


def _lists_by_popularity(
    senders: np.ndarray, receivers: np.ndarray, degree: np.ndarray
) -> np.ndarray:
    """The senders, receiver after receiver, those of highest degree first."""
    n_nodes = len(degree)
    by_degree = np.argsort(-degree, kind="stable")
    rank = np.empty(n_nodes, np.int64)
    rank[by_degree] = np.arange(n_nodes)
    # A pair as one number: sorting numbers is several times faster than sorting pairs.
    keys = np.sort(receivers * np.int64(n_nodes) + rank[senders])
    return by_degree[keys % max(n_nodes, 1)]


def _choose_widths(lengths: np.ndarray, bucket_cost: float) -> np.ndarray:
    """Widths of buckets, descending, that leave the least padding; width 0 for empty rows.

    Minimizes `Σ_buckets (rows · width + bucket_cost)` by dynamic programming over the lengths.
    """
    longest, n_rows = np.unique(lengths[lengths > 0], return_counts=True)
    # A little more than needed, so that every step of the loop adds as many.
    steps = _steps(longest)
    widths = steps * _ceil_div(longest, steps)
    n_shorter = _offsets(n_rows)
    cost = np.zeros(len(widths) + 1)
    previous = np.zeros(len(widths) + 1, int)
    for i, width in enumerate(widths):
        options = cost[: i + 1] + (n_shorter[i + 1] - n_shorter[: i + 1]) * width
        previous[i + 1] = options.argmin()
        cost[i + 1] = options.min() + bucket_cost
    chosen = []
    i = len(widths)
    while i:
        chosen.append(widths[i - 1])
        i = previous[i]
    if not lengths.all():
        chosen.append(0)
    return np.array(chosen)


def _steps(widths: np.ndarray) -> np.ndarray:
    """Steps of the loop over a bucket.

    At least 2 where possible: XLA inlines a loop of one step, fuses it with the write of the
    result, and runs that on one core.
    """
    return np.minimum(widths, np.maximum(_ceil_div(widths, UNROLL), 2))


def _ceil_div(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    return -(-a // b)


def _offsets(lengths: np.ndarray) -> np.ndarray:
    """Where runs of these lengths start, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)])


def _ranks(lengths: np.ndarray) -> np.ndarray:
    """0, 1, …, length − 1 for each length."""
    offsets = _offsets(lengths)
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
