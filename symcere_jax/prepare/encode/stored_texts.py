"""Texts on disk, read one by one, so that memory holds no more than where each begins."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa


class StoredTexts(Sequence[str]):
    """Texts in a file, as a sequence. Reading is thread-safe."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb+")
        self._ends = [np.zeros(1, np.int64)]

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
