"""Recommendations for many users in a file: within memory, and resumable.

Users are done in parts. Each part is a file of its own in the folder `<output>.parts`, complete or
not there; a run that was stopped goes on after the last of them. At the end they are joined into
the output.
"""

import csv
import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from symcere_jax.callbacks import CountCallback, ShouldStop
from symcere_jax.errors import ConfigError, StorageError
from symcere_jax.files import replacing, write_json
from symcere_jax.locking import locked
from symcere_jax.recommend.formats import FORMATS, SCHEMA, name_block, write_block
from symcere_jax.recommend.recommender import Recommender
from symcere_jax.recommend.retrieval import EXACT, HNSW

PART_USERS = 1 << 16

_SETTINGS = "settings.json"


def write_recommendations(
    recommender: Recommender,
    rows: np.ndarray,
    output: Path,
    *,
    k: int = 10,
    exclude_seen: bool = True,
    allowed: np.ndarray | None = None,
    part_users: int = PART_USERS,
    progress: CountCallback | None = None,
    should_stop: ShouldStop = lambda: False,
) -> bool:
    """Writes the k best items of users to a file; goes on with a run that was stopped.

    | name ends in | content |
    |---|---|
    | `.jsonl` | a line a user: `{"user_id": …, "items": [{"item_id": …, "score": …}, …]}` |
    | `.csv` | columns user_id, rank (from 1), item_id, score; a row an item |
    | `.parquet` | the same columns |

    Args:
        recommender: the model.
        rows: int `[n]` user rows, in the order of the file.
        output: the file; replaced if it exists.
        k: items for each user.
        exclude_seen: leave out what a user interacted with.
        allowed: int `[m]` item rows to choose from; None: all.
        part_users: users done at once, which bounds memory and what is lost by a stop.
        progress: called with the number of users done and of all users.
        should_stop: asked after each part.

    Returns:
        Whether the output is complete; otherwise the run was told to stop, and can go on.

    Raises:
        BusyError: another process writes the output.
        ConfigError: the name of the output has no known ending, or parts of another run lie there.
        StorageError: the output cannot be written.
    """
    if output.suffix not in FORMATS:
        raise ConfigError(f"--output={output} must end in one of {', '.join(FORMATS)}")
    settings = _describe(recommender, rows, k, exclude_seen, allowed, part_users)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {output}: {error.strerror or error}") from None
    lock = output.with_name(f"{output.name}.lock")
    with locked(lock, f"--output={output}", "choose another --output"):
        return _write_locked(
            recommender, rows, output, settings, k, exclude_seen, allowed, progress, should_stop
        )


def _write_locked(
    recommender: Recommender,
    rows: np.ndarray,
    output: Path,
    settings: dict[str, Any],
    k: int,
    exclude_seen: bool,
    allowed: np.ndarray | None,
    progress: CountCallback | None,
    should_stop: ShouldStop,
) -> bool:
    folder = output.with_name(f"{output.name}.parts")
    part_users = settings["part_users"]
    try:
        _open_parts(folder, settings)
        starts = range(0, len(rows), part_users)
        parts = [folder / f"{start:012}{output.suffix}" for start in starts]
        for start, part in zip(starts, parts, strict=True):
            if part.exists():
                continue
            if should_stop():
                return False

            def report(done: int, total: int, start: int = start) -> None:
                if progress is not None:
                    progress(start + done, len(rows))

            ranked = recommender.recommend_rows(
                rows[start : start + part_users],
                k,
                exclude_seen=exclude_seen,
                allowed=allowed,
                progress=report,
            )
            block = name_block(recommender, rows[start : start + part_users], *ranked)
            with replacing(part) as aside:
                write_block(aside, output.suffix, block)
        _join(parts, output)
    except OSError as error:
        raise StorageError(f"cannot write {output}: {error.strerror or error}") from None
    _remove_parts(folder)
    return True


def _describe(
    recommender: Recommender,
    rows: np.ndarray,
    k: int,
    exclude_seen: bool,
    allowed: np.ndarray | None,
    part_users: int,
) -> dict[str, Any]:
    """What the parts of a run depend on."""
    chosen = None if allowed is None else np.sort(allowed).astype(np.int64)
    return {
        "fingerprint": recommender.metadata.fingerprint,
        "settings": dict(recommender.metadata.settings),
        "step": recommender.metadata.progress.best_step,
        "score": recommender.metadata.progress.best_score,
        "neighbor_weight": getattr(recommender.fold_in.neighbors, "weight", 0.0),
        "users": hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest(),
        "items": None if chosen is None else hashlib.sha256(chosen.tobytes()).hexdigest(),
        "k": k,
        "index": HNSW if recommender.index else EXACT,
        "exclude_seen": exclude_seen,
        "part_users": part_users,
    }


def _open_parts(folder: Path, settings: dict[str, Any]) -> None:
    path = folder / _SETTINGS
    if path.exists():
        try:
            earlier = json.loads(path.read_text())
        except ValueError:
            earlier = None
        if earlier != json.loads(json.dumps(settings)):
            raise ConfigError(
                f"{folder} holds parts of another run (another model, other users or another k): "
                "delete it, or choose another --output"
            )
        return
    _remove_parts(folder)  # of whichever run: nothing says so any more
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, settings)


def _remove_parts(folder: Path) -> None:
    """Removes the parts; what says which run they are of goes first: without it none are used."""
    (folder / _SETTINGS).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _join(parts: list[Path], output: Path) -> None:
    """Joins the parts, a part at a time."""
    with replacing(output) as aside:
        if output.suffix == ".parquet":
            with pq.ParquetWriter(aside, SCHEMA, compression="zstd") as writer:
                for part in parts:
                    writer.write_table(pq.read_table(part))
            return
        with aside.open("wb") as file:
            if output.suffix == ".csv":
                header = io.StringIO(newline="")
                csv.writer(header).writerow(SCHEMA.names)
                file.write(header.getvalue().encode())
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, file)
