"""The score as StableHLO, which JAX runs on CPU, GPU and TPU without this package.

score = jax.export.deserialize(Path("shop.model/score.stablehlo").read_bytes()).call
arrays = safetensors.numpy.load_file("shop.model/embeddings.safetensors")
score(arrays, np.int32([0, 1, 2]))  # float32 [3, n_items]
"""

import jax
import jax.export
import jax.numpy as jnp

from symcere_jax.models import Embeddings, score_block
from symcere_jax.optional import require

PLATFORMS = ("cpu", "cuda", "tpu")


def compile_score(embeddings: Embeddings) -> bytes:
    """The function from embeddings of these shapes, by name, and int32 `[b]` rows to scores.

    Raises:
        ConfigError: the extra `export` is not installed.
    """
    require("flatbuffers", extra="export")  # which JAX serializes with

    def score(arrays: dict[str, jax.Array], rows: jax.Array) -> jax.Array:
        return score_block(Embeddings(**arrays), rows)

    arrays = {name: array for name, array in vars(embeddings).items() if array is not None}
    shapes = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in arrays.items()}
    rows = jax.ShapeDtypeStruct(jax.export.symbolic_shape("b"), jnp.int32)
    exported = jax.export.export(jax.jit(score), platforms=PLATFORMS)(shapes, rows)
    return bytes(exported.serialize())
