"""The reviews of a prepared folder, as text encoders take them, with texts that stay on disk."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from symcere_jax.data import schema
from symcere_jax.text import Reviews

_BATCH_ROWS = 1 << 13


class StoredTexts(Sequence[str]):
    """Texts in a file, read one by one, so that memory holds no more than where each begins.

    Reading is thread-safe.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb+")
        self._ends = [np.zeros(1, np.int64)]

    def __getstate__(self) -> tuple[Path, np.ndarray]:
        return Path(self._file.name).absolute(), self._offsets()

    def __setstate__(self, state: tuple[Path, np.ndarray]) -> None:
        path, offsets = state
        self._file, self._ends = path.open("rb"), [offsets]

    def append(self, texts: pa.Array) -> None:
        """Adds texts, large_string `[n]` without null."""
        if not len(texts):
            return
        _, offsets, content = texts.buffers()
        ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        if content is not None:
            self._file.write(memoryview(content)[ends[0] : ends[-1]])
            self._file.flush()
        self._ends.append(self._ends[-1][-1] + ends[1:] - ends[0])

    def __len__(self) -> int:
        return len(self._offsets()) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[row] for row in range(*place.indices(len(self)))]
        row = range(len(self))[place]
        start, stop = self._offsets()[row : row + 2].tolist()
        return os.pread(self._file.fileno(), stop - start, start).decode()

    def _offsets(self) -> np.ndarray:
        if len(self._ends) > 1:
            self._ends = [np.concatenate(self._ends)]
        return self._ends[0]

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


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
        for item, text in _extra_texts(folder):
            texts.append(text)
            columns["user"].append(np.full(len(item), -1, np.int32))
            columns["item"].append(item)
            train.append(np.ones(len(item), bool))
        pa.default_memory_pool().release_unused()
        yield Reviews(
            texts=texts,
            **{name: np.concatenate(parts) for name, parts in columns.items()},
            is_train=np.concatenate(train),
            n_users=n_users,
            n_items=n_items,
        )


def _extra_texts(folder: Path) -> Iterator[tuple[np.ndarray, pa.Array]]:
    """Items and texts of training reviews whose authors are no users, some at a time."""
    path = folder / schema.EXTRA_TEXTS
    if path.exists():
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                yield batch.column("item").to_numpy(), batch.column("text").cast(pa.large_string())
