"""The reviews of a prepared folder, as text encoders take them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.prepare.encode.stored_texts import StoredTexts, TextWriter
from symcere_jax.text import Reviews


@contextlib.contextmanager
def prepared_reviews(
    dataset: ReviewDataset, scratch: Path, *, erase_held_out: bool = False
) -> Iterator[Reviews]:
    """Opens the reviews, with their texts on disk.

    Args:
        dataset: the prepared folder.
        scratch: folder for the texts.
        erase_held_out: put empty texts in the place of those that are not for training.
    """
    columns: dict[str, list[np.ndarray]] = {"user": [], "item": [], "is_train": []}
    with (
        TextWriter(scratch / "texts") as writer,
        pq.ParquetFile(dataset.file(schema.REVIEWS)) as file,
    ):
        for batch in file.iter_batches(1 << 16, columns=["user", "item", "split", "text"]):
            is_train = pc.equal(batch.column("split"), "train")
            text = batch.column("text").cast(pa.large_string())
            if erase_held_out:
                text = pc.if_else(is_train, text, pa.scalar("", pa.large_string()))
            writer.append(text)
            for name in ("user", "item"):
                columns[name].append(batch.column(name).to_numpy(zero_copy_only=False))
            columns["is_train"].append(is_train.to_numpy(zero_copy_only=False))
        texts: StoredTexts = writer.open()
        with contextlib.closing(texts):
            yield Reviews(
                texts=texts,
                **{name: np.concatenate(parts) for name, parts in columns.items()},
                n_users=dataset.n_users,
                n_items=dataset.n_items,
            )
