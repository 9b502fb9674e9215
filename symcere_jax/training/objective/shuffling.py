"""A random order that is computed place by place, without a sort or memory of the other places."""

import jax
import jax.numpy as jnp

_ROUNDS = 6


def shuffled(key: jax.Array, places: jax.Array, n: int) -> jax.Array:
    """What stands at some places of a random permutation of `0 … n - 1`.

    With b bits for n values, a round is `x <- (x · odd + addend) mod 2^b`, then
    `x <- x xor (x >> ⌈b/2⌉)`, numbers drawn from the key. Each is one-to-one on b bits; what falls
    outside of the n values goes through all rounds again until it falls inside ("cycle walking"),
    less than twice on average. So the time is that of the places asked for, where
    `jax.random.permutation` sorts all n values several times.

    Args:
        key: chooses the permutation.
        places: int32, any shape, 0 to n - 1.
        n: number of values, 1 to 2^31 - 1.

    Returns:
        int32, shape of `places`: different values for different places.

    Source: J. Black and P. Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002, for the
    walk; A. Kensler, "Correlated Multi-Jittered Sampling", Pixar 2013, for rounds on b bits.
    """
    n_bits = max((n - 1).bit_length(), 1)
    mask = jnp.uint32(2**n_bits - 1)
    half = jnp.uint32((n_bits + 1) // 2)
    factors, addends = jax.random.bits(key, (2, _ROUNDS), jnp.uint32)

    def mix(x: jax.Array) -> jax.Array:
        for factor, addend in zip(factors, addends, strict=True):
            x = (x * (factor | 1) + addend) & mask
            x = x ^ (x >> half)
        return x

    def walk(x: jax.Array) -> jax.Array:
        return jnp.where(x < n, x, mix(x))

    first = mix(places.astype(jnp.uint32))
    permuted = jax.lax.while_loop(lambda x: (x >= n).any(), walk, first)
    return permuted.astype(jnp.int32)
