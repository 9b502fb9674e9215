"""The reviews of a prepared folder as input of text encoders; texts stay on disk."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.data import schema
from symcere_jax.data.stored_files import read_batches
from symcere_jax.text import Reviews

_BATCH_ROWS = 1 << 13


class StoredTexts(Sequence[str]):
    """Texts in a file, read one by one, by any thread; memory only holds where each begins."""

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
    users: list[np.ndarray] = []
    items: list[np.ndarray] = []
    train: list[np.ndarray] = []
    path, extra = folder / schema.REVIEWS, folder / schema.EXTRA_TEXTS
    with contextlib.closing(StoredTexts(scratch / "texts")) as texts:
        for batch in read_batches(path, _BATCH_ROWS, ["user", "item", "split", "text"]):
            is_train = pc.equal(batch["split"], "train")
            text = batch["text"].cast(pa.large_string())
            texts.append(pc.if_else(is_train, text, "") if erase_held_out else text)
            users.append(batch["user"].to_numpy())
            items.append(batch["item"].to_numpy())
            train.append(is_train.to_numpy(zero_copy_only=False))
        for batch in read_batches(extra, _BATCH_ROWS) if extra.exists() else ():
            texts.append(batch["text"].cast(pa.large_string()))
            users.append(np.full(len(batch), -1, np.int32))
            items.append(batch["item"].to_numpy())
            train.append(np.ones(len(batch), bool))
        pa.default_memory_pool().release_unused()
        user, item, is_train = map(np.concatenate, (users, items, train))
        yield Reviews(texts, user, item, is_train, n_users, n_items)
