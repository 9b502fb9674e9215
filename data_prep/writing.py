"""Writing the prepared folder: complete under its name, or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.data import schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.text.encoder import TextFeatures


def check_output(output: Path, *, overwrite: bool, source: Path | None) -> None:
    """Refuses, before any work is done, an output that could not or should not be written.

    Args:
        output: the folder to write.
        overwrite: whether a prepared folder that is already there may be replaced.
        source: the raw data, which must not be inside.

    Raises:
        ConfigError: there is something at the output that is not to be replaced.
    """
    if source is not None and source.resolve().is_relative_to(output.resolve()):
        raise ConfigError(f"--output={output} holds the input {source}; choose another folder")
    if not os.path.lexists(output):
        return
    if not overwrite:
        raise ConfigError(f"{output} exists; replace it by --overwrite, or choose another --output")
    if not (output / schema.MANIFEST).is_file():
        raise ConfigError(
            f"{output} exists and is not a prepared folder; --overwrite replaces only those"
        )


@contextlib.contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `output` when the block ends well.

    It lies beside `output`, so that the renaming is one step on one file system. When the block
    ends by an exception, it is removed, and what was at `output` before is still there.

    Args:
        output: the final folder; replaced if it exists.

    Raises:
        DataError: the system refuses to write there.
    """
    output = output.resolve()  # a path such as "." has no name to put a mark on
    mark = f"{os.getpid()}.partial"
    folder = output.with_name(f".{output.name}.{mark}")
    replaced = output.with_name(f".{output.name}.replaced.{mark}")
    new_parents = [parent for parent in output.parents if not parent.exists()]
    try:
        folder.mkdir(parents=True)
        yield folder
        if output.exists():
            output.rename(replaced)
        folder.rename(output)
        shutil.rmtree(replaced, ignore_errors=True)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if replaced.exists() and not output.exists():
            replaced.rename(output)
        for parent in new_parents:
            with contextlib.suppress(OSError):  # not made yet, or in use by another program
                parent.rmdir()
        if isinstance(error, OSError):
            raise DataError(f"cannot write {output}: {error.strerror or error}") from error
        raise


def write_ids(path: Path, row_name: str, id_name: str, ids: pa.Array) -> None:
    """Writes the table of external ids, row by row.

    Args:
        path: the Parquet file.
        row_name: name of the column of rows, "user" or "item".
        id_name: name of the column of ids.
        ids: string array, in the order of the rows.
    """
    rows = pa.array(np.arange(len(ids), dtype=np.int32))
    _write_parquet(path, pa.table({row_name: rows, id_name: ids}))


def write_reviews(path: Path, reviews: pa.Table) -> None:
    """Writes the reviews, with columns, types and order as `symcere_jax.data.schema` says."""
    _write_parquet(path, reviews)


def write_pairs(folder: Path, pairs: np.ndarray, split: np.ndarray) -> dict[str, int]:
    """Writes the (user, item) pairs of each split.

    Args:
        folder: where to.
        pairs: int32 `[n, 2]`, sorted.
        split: int8 `[n]`, an index into `schema.SPLITS`.

    Returns:
        split -> number of pairs.
    """
    counts = {}
    for code, name in enumerate(schema.SPLITS):
        rows = pairs[split == code]
        np.save(folder / schema.pairs_file(name), rows)
        counts[name] = len(rows)
    return counts


def write_text(folder: Path, encoder: str, features: TextFeatures) -> None:
    """Writes the text features of reviews, users and items."""
    (folder / schema.TEXT_FOLDER / encoder).mkdir(parents=True)
    for rows in ("reviews", "users", "items"):
        np.save(folder / schema.text_file(encoder, rows), getattr(features, rows))


def file_entries(folder: Path) -> Mapping[str, Mapping[str, object]]:
    """Size and checksum of every file of a folder, by its path within."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): schema.file_entry(path) for path in files}


def _write_parquet(path: Path, table: pa.Table) -> None:
    # Without Arrow's own schema, 64-bit string offsets read back as plain strings.
    pq.write_table(table, path, compression="zstd", store_schema=False)
