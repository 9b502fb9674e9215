"""Data frames of any library that supports Arrow; results are of the same kind."""

import importlib.util
from typing import Any, cast

import narwhals as nw
import pyarrow as pa

from symcere_jax.errors import DataError

_KINDS = ("pandas", "polars", "pyarrow")


def frame_kind(frame: Any = None) -> str:
    """The library of resulting frames: that of the input, else pandas if installed, else pyarrow.

    Args:
        frame: the input; None: it is no frame.
    """
    kind = type(frame).__module__.partition(".")[0]
    if kind in _KINDS:
        return kind
    return "pandas" if importlib.util.find_spec("pandas") else "pyarrow"


def to_arrow(frame: Any) -> pa.Table:
    """A frame as an Arrow table.

    Args:
        frame: of pandas, polars, pyarrow or DuckDB, a Hugging Face `Dataset`, or anything else with
            the Arrow PyCapsule interface.

    Raises:
        DataError: it is not a frame, or Arrow cannot hold one of its columns.
    """
    if hasattr(frame, "with_format"):  # a Hugging Face Dataset, which has no Arrow interface
        frame = frame.with_format("arrow")[:]
    try:
        return pa.table(frame)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{type(frame).__name__} is not an Arrow data frame ({error})") from None


def from_arrow(table: pa.Table, kind: str) -> Any:
    """A table as a frame of the library that `frame_kind` named."""
    return nw.from_arrow(table, backend=cast(Any, kind)).to_native()
