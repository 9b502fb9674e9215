"""Columns of numbers on disk: written bit by bit, then mapped into memory."""

from pathlib import Path
from types import TracebackType

import numpy as np


class NpyFile:
    """A `.npy` file that grows row by row; it ends up as `np.save` would have written it.

    with NpyFile(path, np.int32, (2,)) as file:
        file.append(rows)
    """

    def __init__(self, path: Path, dtype: type | np.dtype, shape: tuple[int, ...] = ()) -> None:
        self._dtype = np.dtype(dtype)
        self._shape = shape
        self._file = path.open("wb")
        self.n_rows = 0
        self._write_header()

    def append(self, rows: np.ndarray) -> None:
        """Adds rows, `[n, *shape]`."""
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self.n_rows += len(rows)

    def close(self) -> None:
        """Writes the number of rows into the header, which has room for it, and closes the file."""
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def __enter__(self) -> "NpyFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.n_rows, *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


def mapped(path: Path) -> np.ndarray:
    """The rows of a `.npy` file, mapped to be read and changed."""
    array = np.load(path, mmap_mode="r+", allow_pickle=False)
    # An empty file cannot be mapped; NumPy maps its header, which is read-only in effect.
    return array if len(array) else np.empty(array.shape, array.dtype)


def compact(array: np.ndarray, kept: np.ndarray, block: int = 1 << 20) -> np.ndarray:
    """Moves the kept rows of an array to its front, block by block.

    Args:
        array: `[n]`, changed in place.
        kept: bool `[n]`.
        block: rows at a time.

    Returns:
        `[m]`, a view of the front of `array`.
    """
    end = 0
    for start in range(0, len(array), block):
        rows = array[start : start + block][kept[start : start + block]]
        array[end : end + len(rows)] = rows
        end += len(rows)
    return array[:end]
