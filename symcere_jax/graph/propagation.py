"""Message passing on the user–item graph: LightGCN's propagation, forward and backward.

With `A` the symmetrically normalized adjacency, `propagate` computes

    P(x) = 1 / (L + 1) · Σ_{l=0..L} A^l x.

`P` is linear and symmetric, so its vector–Jacobian product is `P` itself: the backward pass of the
bucketed method is its forward pass, without the scatter that differentiation would give.

What makes the bucketed method fast:

- Weights factor: `A = S B S` with `B` of zeros and ones and `S = diag(deg^-1/2)`. Only unweighted
  sums of neighbors remain, over states that are scaled once.
- Horner's rule, `z ← x + A z`, L times: no sum over layers is kept beside the state.
- Neighbor lists lie in buckets of similar length (see `buckets.py`), stored so that XLA fuses
  gathers and additions into one parallel, vectorized loop.
- States stay in the order of the buckets from the first layer to the last.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import jraph

from symcere_jax.graph.bipartite import Adjacency, SegmentAdjacency
from symcere_jax.graph.buckets import BucketedAdjacency


@functools.partial(jax.jit, static_argnames="n_layers")
def propagate(adjacency: Adjacency, x: jax.Array, n_layers: int) -> jax.Array:
    """LightGCN's propagation, `mean_{l=0..n_layers} A^l x`.

    Differentiable in `x` (reverse mode). Sums are taken in float32, or in float64 if `x` is. The
    bucketed method keeps states in the dtype of `x` between layers: bfloat16 halves what is read.

    Args:
        adjacency: from `build_adjacency`.
        x: float `[n_nodes, d]`, states of users, then items.
        n_layers: number of hops; 0 gives `x` back.

    Returns:
        Array of the shape and dtype of `x`.

    Source: He et al., "LightGCN", SIGIR 2020, equations 3, 4 and 8.
    """
    return propagate_walks(adjacency, x, n_layers)[0] if n_layers else x


@functools.partial(jax.jit, static_argnames="n_layers")
def propagate_walks(
    adjacency: Adjacency, x: jax.Array, n_layers: int
) -> tuple[jax.Array, jax.Array]:
    """`P(x)` and the sum over shorter walks that it consists of, without the cost of another layer.

    With `y = Σ_{l=0..L-1} A^l x`, `P(x) = (x + A y) / (L + 1)`: `A_vw y_w / (L + 1)` is what
    the edge from w brought to v, over all walks that begin with it.

    Args:
        adjacency: from `build_adjacency`.
        x: float `[n_nodes, d]`, states of users, then items.
        n_layers: L, number of hops, at least 1.

    Returns:
        `P(x)` and `y`, arrays of the shape and dtype of `x`; differentiable (reverse mode).
    """
    if isinstance(adjacency, SegmentAdjacency):
        return _propagate_segment(adjacency, x, n_layers)
    return _propagate_bucketed(adjacency, x, n_layers)


def _propagate_segment(
    adjacency: SegmentAdjacency, x: jax.Array, n_layers: int
) -> tuple[jax.Array, jax.Array]:
    walks = state = x.astype(_dtype_of_sums(x.dtype))
    for layer in range(n_layers):
        messages = state[adjacency.senders] * adjacency.weights[:, None]
        state = jraph.segment_sum(
            messages, adjacency.receivers, adjacency.n_nodes, indices_are_sorted=True
        )
        if layer < n_layers - 1:
            walks = walks + state
    return ((walks + state) / (n_layers + 1)).astype(x.dtype), walks.astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _propagate_bucketed(
    adjacency: BucketedAdjacency, x: jax.Array, n_layers: int
) -> tuple[jax.Array, jax.Array]:
    slots = _Slots(adjacency, x.dtype)
    start = slots.enter(x)
    walks, state = slots.horner(start, start, n_layers)
    return slots.leave(state, 1 / (n_layers + 1)), slots.leave(walks)


def _forward(
    adjacency: BucketedAdjacency, x: jax.Array, n_layers: int
) -> tuple[tuple[jax.Array, jax.Array], BucketedAdjacency]:
    return _propagate_bucketed(adjacency, x, n_layers), adjacency


def _backward(
    n_layers: int, adjacency: BucketedAdjacency, cotangents: tuple[jax.Array, jax.Array]
) -> tuple[None, jax.Array]:
    # A is symmetric: with f the cotangent of P(x) over L + 1 and g that of y, the cotangent of x
    # is A^L f + Σ_{l=0..L-1} A^l (f + g). No scatter, and as many layers as forward.
    fused, walks = cotangents
    fused = fused / (n_layers + 1)
    slots = _Slots(adjacency, fused.dtype)
    _, state = slots.horner(slots.enter(fused), slots.enter(fused + walks), n_layers)
    return None, slots.leave(state)


_propagate_bucketed.defvjp(_forward, _backward)


class _Slots:
    """States in slot order, while messages are passed.

    With z the state of Horner's rule and h = S z, a layer is h <- S x + S² B h. A slot that holds a
    part of a sum keeps it as it is: there S x is 0, and 1 stands for S².
    """

    def __init__(self, adjacency: BucketedAdjacency, dtype: jnp.dtype) -> None:
        self._adjacency, self._dtype = adjacency, dtype
        degree = adjacency.degree.astype(_dtype_of_sums(dtype))
        self._scale = jnp.sqrt(degree)[:, None]
        weight = (1 / degree).at[adjacency.node_of_slot].get(mode="fill", fill_value=1)
        self._weight = weight[:, None]

    def enter(self, x: jax.Array) -> jax.Array:
        """States `[n_nodes, d]`, scaled, in slot order."""
        states = (x / self._scale).astype(self._dtype)
        return states.at[self._adjacency.node_of_slot].get(mode="fill", fill_value=0)

    def horner(
        self, state: jax.Array, start: jax.Array, n_layers: int
    ) -> tuple[jax.Array, jax.Array]:
        """The last two states of `state <- start + S² B state`, repeated `n_layers` times."""

        def layer(_: int, states: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            return states[1], _layer(self._adjacency, states[1], start, self._weight)

        return jax.lax.fori_loop(0, n_layers, layer, (state, state))

    def leave(self, state: jax.Array, factor: float = 1.0) -> jax.Array:
        """States in the order of the nodes, unscaled, times a factor."""
        nodes = _gather(state, self._adjacency.slot_of_node)
        return (nodes * (self._scale * factor)).astype(self._dtype)


def _dtype_of_sums(dtype: jnp.dtype) -> jnp.dtype:
    return jnp.promote_types(dtype, jnp.float32)


def _layer(
    adjacency: BucketedAdjacency, state: jax.Array, start: jax.Array, weight: jax.Array
) -> jax.Array:
    """`start + weight · B state`, slot by slot, `[n_slots, d]`."""

    def finished(total: jax.Array, slot: int) -> jax.Array:
        part = slice(slot, slot + total.shape[0])
        return start[part] + weight[part] * total

    first, *others = adjacency.levels
    parts, slot = [], 0
    for bucket in first:
        parts.append(finished(_sum_rows(state, bucket), slot))
        slot += bucket.shape[2]
    # Joined by a copy, on all cores: writing into an array that is there already takes only one.
    result = jnp.concatenate([*parts, jnp.zeros_like(parts[0], shape=start[slot:].shape)])
    for bucket in itertools.chain(*others):  # of a few rows
        # The newest `result`: an older one would have to be kept, as a copy.
        total = finished(_sum_rows(result, bucket), slot)
        result = jax.lax.dynamic_update_slice_in_dim(result, total, slot, 0)
        slot += bucket.shape[2]
    return result.astype(state.dtype)


def _sum_rows(states: jax.Array, bucket: jax.Array) -> jax.Array:
    """Sums of `states[bucket]` over all axes but the rows, `[rows, d]`."""

    def step(total: jax.Array, slots: jax.Array) -> tuple[jax.Array, None]:
        # Written out: XLA fuses these gathers and additions, but not a gather and a reduction.
        for column in slots:
            total = total + _gather(states, column)
        return total, None

    total = jnp.zeros((bucket.shape[2], states.shape[1]), _dtype_of_sums(states.dtype))
    return jax.lax.scan(step, total, bucket)[0]


def _gather(states: jax.Array, slots: jax.Array) -> jax.Array:
    # Slots come from `build_buckets`: checks of their range would cost a select for each element.
    return states.at[slots].get(mode="promise_in_bounds", wrap_negative_indices=False)
