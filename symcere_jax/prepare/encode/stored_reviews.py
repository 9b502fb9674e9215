"""The reviews of a prepared folder, as text encoders take them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from symcere_jax.data import schema
from symcere_jax.prepare.encode.stored_texts import StoredTexts
from symcere_jax.text import Reviews

_BATCH_ROWS = 1 << 13


@contextlib.contextmanager
def stored_reviews(
    folder: Path, n_users: int, n_items: int, scratch: Path, *, erase_held_out: bool = False
) -> Iterator[Reviews]:
    """Opens the reviews of a folder, with their texts in a file of `scratch` for random access.

    With `erase_held_out`, texts that are not for training are empty.
    """
    columns: dict[str, list[np.ndarray]] = {"user": [], "item": []}
    train: list[np.ndarray] = []
    with contextlib.closing(StoredTexts(scratch / "texts")) as texts:
        with pq.ParquetFile(folder / schema.REVIEWS) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=[*columns, "split", "text"]):
                is_train = pc.equal(batch.column("split"), "train")
                text = batch.column("text").cast(pa.large_string())
                texts.append(pc.if_else(is_train, text, "") if erase_held_out else text)
                for name in columns:
                    columns[name].append(batch.column(name).to_numpy(zero_copy_only=False))
                train.append(is_train.to_numpy(zero_copy_only=False))
        pa.default_memory_pool().release_unused()
        yield Reviews(
            texts=texts,
            **{name: np.concatenate(parts) for name, parts in columns.items()},
            is_train=np.concatenate(train),
            n_users=n_users,
            n_items=n_items,
        )
