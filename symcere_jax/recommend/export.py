"""A trained model for other programs: embeddings as arrays and Parquet, scores as StableHLO.

    embeddings.npz     users float32 [n_users, dim], items float32 [n_items, dim],
                       item_bias float32 [n_items]; columns for neighbors are among the dim
    embeddings.safetensors   the same
    users.parquet      user_id, embedding; rows in the order of users
    items.parquet      item_id, embedding, bias; rows in the order of items
    score.stablehlo    (users, items, item_bias, rows int32 [b]) -> float32 [b, n_items], any b
    export.json        what was exported, and from what

`score(u, i) = users_u · items_i + item_bias_i`. The compiled function needs JAX alone:

    import jax, numpy as np
    score = jax.export.deserialize(open("score.stablehlo", "rb").read()).call
    arrays = np.load("embeddings.npz")
    score(arrays["users"], arrays["items"], arrays["item_bias"], np.int32([0, 1, 2]))
"""

import json
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy

from symcere_jax.errors import ConfigError, StorageError
from symcere_jax.models import Embeddings, score_block
from symcere_jax.optional import require
from symcere_jax.recommend.ids import IdMap
from symcere_jax.recommend.recommender import Recommender

PLATFORMS = ("cpu", "cuda", "tpu")
_ROW_GROUP = 1 << 14


def export_model(recommender: Recommender, folder: Path) -> list[Path]:
    """Writes all files of an export into a new folder.

    Args:
        recommender: the model.
        folder: to write; must not exist. It is complete, or absent.

    Returns:
        The paths of the files.

    Raises:
        ConfigError: the folder exists.
        StorageError: it cannot be written.
    """
    if folder.exists():
        raise ConfigError(f"{folder} exists; choose another --output")
    temporary = folder.with_name(f".{folder.name}.partial")
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        embeddings = recommender.retriever.joined
        users, items, bias = map(
            np.asarray, (embeddings.users, embeddings.items, embeddings.item_bias)
        )
        # Without the ids: NumPy's strings are all as wide as the longest, and lose NULs at the end.
        arrays = {"users": users, "items": items, "item_bias": bias}
        np.savez(temporary / "embeddings.npz", **arrays)  # type: ignore[arg-type]
        (temporary / "embeddings.safetensors").write_bytes(safetensors.numpy.save(arrays))
        _write_table(temporary / "users.parquet", recommender.users, users, {})
        _write_table(temporary / "items.parquet", recommender.items, items, {"bias": bias})
        (temporary / "score.stablehlo").write_bytes(export_score(embeddings))
        content = {
            "dataset": recommender.metadata.dataset,
            "fingerprint": recommender.metadata.fingerprint,
            "step": recommender.metadata.progress.best_step,
            "n_users": len(recommender.users),
            "n_items": len(recommender.items),
            "dim": int(embeddings.items.shape[1]),
            "score": "users[u] @ items[i] + item_bias[i]",
        }
        (temporary / "export.json").write_text(json.dumps(content, indent=2) + "\n")
        temporary.rename(folder)
    except OSError as error:
        reason = error.strerror or f"is the disk full? {error}"
        raise StorageError(f"cannot write {folder}: {reason}") from None
    return sorted(folder.iterdir())


def export_score(embeddings: Embeddings) -> bytes:
    """The scoring function of joined embeddings, serialized for any number of users at once."""

    def score(
        users: jax.Array, items: jax.Array, item_bias: jax.Array, rows: jax.Array
    ) -> jax.Array:
        return score_block(Embeddings(users=users, items=items, item_bias=item_bias), rows)

    require("flatbuffers", extra="export")  # which JAX serializes with
    (batch,) = jax.export.symbolic_shape("batch")
    arrays = (embeddings.users, embeddings.items, embeddings.item_bias)
    shapes = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays]
    rows = jax.ShapeDtypeStruct((batch,), jnp.int32)
    return bytes(jax.export.export(jax.jit(score), platforms=PLATFORMS)(*shapes, rows).serialize())


def _write_table(
    path: Path, ids: IdMap, embeddings: np.ndarray, others: dict[str, np.ndarray]
) -> None:
    columns = {
        f"{ids.kind}_id": pa.array(ids.ids, pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(embeddings.ravel(), embeddings.shape[1]),
        **others,
    }
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=_ROW_GROUP)
