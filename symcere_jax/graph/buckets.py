"""Neighbour lists laid out for fast sums: rows of similar length side by side.

The sum over the neighbours of every node is computed as a few large, regular gathers:

- The neighbours of a node are a *list*. A list longer than `MAX_ROW` is cut into several *rows*,
  whose sums are then added by a list of the next *level*; any other list is a row by itself. So
  a node of very high degree costs neither long loops nor padding.
- The rows of a level are dealt into *buckets* by length. A bucket is as wide as its longest row;
  shorter ones are padded. The bounds between buckets are chosen for the least padding.
- A bucket is stored transposed, `[steps, unroll, rows]`: each step of a loop over it adds `unroll`
  neighbours to every row.

A row's place in the sequence of all buckets is its *slot*. Node states are held in slot order.
"""

import dataclasses

import numpy as np

# Chosen by measurement, see benchmarks/propagation.py. 64 and 128 are equally fast, 32 and 256 are
# slower, and 64 compiles faster.
MAX_ROW = 64
# Neighbours added in one pass over a bucket. 8 is faster than 4 and 16.
UNROLL = 8
# What a bucket has to save, as a share of all gathers: it costs 0.1 s to compile. Between 0.2 % (20
# buckets on Gowalla) and 2 % (9 buckets) the speed is the same.
BUCKET_COST = 0.02


@dataclasses.dataclass(frozen=True)
class Buckets:
    """The neighbour lists of a graph.

    Attributes:
        levels: buckets, int32 `[steps, unroll, rows]`, of the slots whose states are added. Level 0
            adds states of nodes, each other level adds sums of the one before it.
        slot_of_node: int32 `[n_nodes]`.
        node_of_slot: int32 `[n_slots]`; `n_nodes` where the slot belongs to no node.
    """

    levels: tuple[tuple[np.ndarray, ...], ...]
    slot_of_node: np.ndarray
    node_of_slot: np.ndarray


def build_buckets(senders: np.ndarray, receivers: np.ndarray, n_nodes: int) -> Buckets:
    """Lays out the neighbour lists of a graph, in time O(edges + nodes · log nodes).

    Args:
        senders: int `[n_edges]`, nodes whose states are added.
        receivers: int `[n_edges]`, sorted; the nodes that they are added for.
        n_nodes: number of nodes.
    """
    # One list more than nodes, an empty one: its sum is 0, and padding points to it.
    lengths = np.append(np.bincount(receivers, minlength=n_nodes), 0)
    import os
    groups = np.zeros(n_nodes + 1, int)
    if 's' in os.environ.get('V',''): groups[receivers] = senders < receivers
    if 'd' in os.environ.get('V',''):
        rank = np.empty(n_nodes, np.int64); rank[np.argsort(-lengths[:-1],kind='stable')]=np.arange(n_nodes)
        inv = np.argsort(-lengths[:-1],kind='stable')
        senders = inv[np.sort(receivers*np.int64(n_nodes)+rank[senders])%n_nodes]
    groups[-1]=groups.max()
    owners = np.arange(n_nodes + 1)
    slot_of_owner = np.empty(n_nodes + 1, np.int32)
    layouts: list[_Layout] = []
    summands: list[np.ndarray] = []
    n_slots = 0
    while len(lengths):
        layout = _Layout(lengths, groups, first_slot=n_slots, bucket_cost=BUCKET_COST * len(senders))
        whole = layout.n_rows == 1
        slot_of_owner[owners[whole]] = layout.slots[np.repeat(whole, layout.n_rows)]
        layouts.append(layout)
        summands.append(layout.slots[np.repeat(~whole, layout.n_rows)])
        n_slots += len(layout.slots)
        lengths, owners = layout.n_rows[~whole], owners[~whole]
        groups=np.zeros(len(lengths),int)

    # Rows of one level that are parts of a list are what the next level adds.
    summands = [slot_of_owner[senders], *summands[:-1]]
    padding = slot_of_owner[n_nodes]
    levels = tuple(
        layout.buckets(slots, padding) for layout, slots in zip(layouts, summands, strict=True)
    )
    node_of_slot = np.full(n_slots, n_nodes, np.int32)
    node_of_slot[slot_of_owner[:n_nodes]] = np.arange(n_nodes)
    return Buckets(levels, slot_of_owner[:n_nodes], node_of_slot)


class _Layout:
    """Where the lists of one level go.

    Attributes:
        n_rows: `[n_lists]`, into how many rows a list is cut.
        slots: int32 `[sum(n_rows)]`, slot of each row, list after list.
    """

    def __init__(self, lengths: np.ndarray, groups: np.ndarray, *, first_slot: int, bucket_cost: float) -> None:
        self._lengths = lengths
        self.n_rows = np.maximum(_ceil_div(lengths, MAX_ROW), 1)
        rest = np.repeat(lengths, self.n_rows) - MAX_ROW * _ranks(self.n_rows)
        row_lengths = np.minimum(rest, MAX_ROW)

        # Widest first, so that rows of isolated nodes come last, behind all that is ever added.
        row_groups = np.repeat(groups, self.n_rows)
        bucket = np.empty(len(row_lengths), int)
        self._widths = np.zeros(0, int)
        for group in range(groups.max() + 1):
            members = row_groups == group
            widths = _choose_widths(row_lengths[members], bucket_cost)[::-1]
            bucket[members] = len(self._widths) + np.searchsorted(-widths, -row_lengths[members],side='right')-1
            self._widths = np.concatenate([self._widths, widths])
        self._rows = np.bincount(bucket, minlength=len(self._widths))
        # Stable: rows of a bucket stay in the order of their nodes, and neighbours in the cache.
        order = np.argsort(bucket, kind="stable")
        self._place = np.empty_like(order)
        self._place[order] = np.arange(len(order))
        self.slots = (first_slot + self._place).astype(np.int32)

    def buckets(self, summands: np.ndarray, padding: int) -> tuple[np.ndarray, ...]:
        """Fills the buckets with slots to be added, given list after list."""
        ends = np.cumsum(self._rows * self._widths)
        flat = np.full(ends[-1], padding, np.int32)
        # Entry k of a row is `k * rows` behind its entry 0, which is at `origin`.
        bucket = np.repeat(np.arange(len(self._rows)), self._rows)
        first_row, first_entry = _offsets(self._rows)[:-1], _offsets(self._rows * self._widths)[:-1]
        origin = (np.arange(len(bucket)) + (first_entry - first_row)[bucket])[self._place]
        stride = self._rows[bucket][self._place]
        rank = _ranks(self._lengths)
        row = np.repeat(_offsets(self.n_rows)[:-1], self._lengths) + rank // MAX_ROW
        flat[origin[row] + rank % MAX_ROW * stride[row]] = summands
        steps = _steps(self._widths)
        return tuple(
            entries.reshape(n_steps, -1, n_rows) if n_steps else np.empty((0, 1, n_rows), np.int32)
            for entries, n_steps, n_rows in zip(
                np.split(flat, ends[:-1]), steps, self._rows, strict=True
            )
        )


def _choose_widths(lengths: np.ndarray, bucket_cost: float) -> np.ndarray:
    """Widths of buckets, ascending, the first one 0, that minimise padding.

    Minimises `Σ_buckets (rows · width + bucket_cost)` by dynamic programming over the lengths.
    """
    longest, n_rows = np.unique(lengths[lengths > 0], return_counts=True)
    # Up to UNROLL - 1 more than needed, so that every step of the loop adds as many.
    steps = _steps(longest)
    widths = steps * _ceil_div(longest, np.maximum(steps, 1))
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
    return np.array([0, *chosen[::-1]])


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
