"""Texts on disk that can be read one by one, for encoders: memory holds where each begins."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import overload

import numpy as np
import pyarrow as pa


class StoredTexts(Sequence[str]):
    """Texts in a file, as a sequence. Reading is thread-safe."""

    def __init__(self, path: Path, offsets: np.ndarray) -> None:
        self._file = path.open("rb")
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[row] for row in range(*place.indices(len(self)))]
        row = range(len(self))[place]
        start, stop = int(self._offsets[row]), int(self._offsets[row + 1])
        return os.pread(self._file.fileno(), stop - start, start).decode()

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class TextWriter:
    """Writes texts, then opens them: as a context, closes the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._offsets = [np.zeros(1, np.int64)]
        self._end = 0

    def append(self, texts: pa.Array) -> None:
        """Adds texts.

        Args:
            texts: large_string `[n]`, without null.
        """
        _, offsets_buffer, data = texts.buffers()
        offsets = np.frombuffer(offsets_buffer, np.int64)
        offsets = offsets[texts.offset : texts.offset + len(texts) + 1]
        if data is not None and len(texts):
            self._file.write(memoryview(data)[offsets[0] : offsets[-1]])
        if len(texts):
            self._offsets.append(offsets[1:] - offsets[0] + self._end)
            self._end = int(self._offsets[-1][-1])

    def open(self) -> StoredTexts:
        """All texts that were added."""
        self._file.flush()
        return StoredTexts(self._path, np.concatenate(self._offsets))

    def __enter__(self) -> "TextWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
