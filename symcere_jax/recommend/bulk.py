"""Recommendations for many users in a file: in bounded memory, and resumable.

Users are ranked in parts. Each part is a file in the folder `<output>.parts`, complete or absent; a
stopped run resumes after the last one. At the end they are joined into the output.
"""

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from symcere_jax.callbacks import CountCallback, ShouldStop
from symcere_jax.errors import ConfigError, StorageError
from symcere_jax.files import replacing, write_text
from symcere_jax.locking import locked
from symcere_jax.ray_data import map_on_ray
from symcere_jax.recommend.formats import FORMATS, write_part
from symcere_jax.recommend.item_index import EXACT, HNSW
from symcere_jax.recommend.recommender import Recommender

PART_USERS = 1 << 16

_RUN = "run.json"  # among the parts: what they depend on
_JOINED = "joined"  # from then on, what is at the output is of this run


def write_recommendations(
    recommender: Recommender,
    rows: np.ndarray,
    output: Path,
    *,
    k: int = 10,
    exclude_seen: bool = True,
    allowed: np.ndarray | None = None,
    overwrite: bool = False,
    part_users: int = PART_USERS,
    ray_address: str | None = None,
    progress: CountCallback = lambda done, total: None,
    should_stop: ShouldStop = lambda: False,
) -> bool:
    """Writes the k best items of users to a file; resumes a run that was stopped.

    | suffix | content |
    |---|---|
    | `.jsonl` | a line per user: `{"user_id": …, "items": [{"item_id": …, "score": …}, …]}` |
    | `.csv` | columns user_id, item_id, rank (from 1), score, title if known; a row per item |
    | `.parquet` | the same columns |

    Args:
        recommender: the model.
        rows: int `[n]` user rows, in the order of the file.
        output: the file.
        k: number of items for each user.
        exclude_seen: leave out what a user interacted with.
        allowed: int `[m]` item rows to choose from; None: all.
        overwrite: replace the output if it exists.
        part_users: users in a part, which bounds memory and what a stopped run loses.
        ray_address: of a Ray cluster that ranks; its machines share the folder of the output.
        progress: called with the number of users done and of all users, but not on a cluster.
        should_stop: asked before each part.

    Returns:
        Whether the output is complete; False after a stop.

    Raises:
        BusyError: another process writes the output.
        ConfigError: the output has no known suffix or exists, or parts of another run exist.
        StorageError: the output cannot be written.
    """
    if output.suffix not in FORMATS:
        raise ConfigError(f"--output={output} must end in one of {', '.join(FORMATS)}")
    metadata = recommender.metadata
    run = {
        "fingerprint": metadata.fingerprint,
        "settings": metadata.settings.as_dict(),
        "step": metadata.progress.best_step,
        "score": metadata.progress.best_score,
        "index": HNSW if recommender.index else EXACT,
        "users": _hash(rows),
        "items": None if allowed is None else _hash(np.sort(allowed)),
        "k": k,
        "exclude_seen": exclude_seen,
        "part_users": part_users,
    }
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        lock = output.with_name(f"{output.name}.lock")
        with locked(lock, f"--output={output}", "choose another --output"):
            folder = output.with_name(f"{output.name}.parts")
            if output.exists() and not overwrite and not (folder / _JOINED).exists():
                raise ConfigError(
                    f"{output} exists; replace it with --overwrite, or choose another --output"
                )
            _open_parts(folder, run)
            starts = range(0, max(len(rows), 1), part_users)
            parts = [folder / f"{start:012}{output.suffix}" for start in starts]
            left = [number for number, part in enumerate(parts) if not part.exists()]
            choice = {"k": k, "exclude_seen": exclude_seen, "allowed": allowed}
            write = functools.partial(_write_part, recommender, rows, parts, part_users, choice)
            done: Iterator[np.ndarray]
            if ray_address:
                done = map_on_ray(write, left, ray_address)
            else:
                done = map(functools.partial(write, progress=progress), left)
            for _ in left:
                if should_stop():
                    return False
                next(done)
            if not all(part.exists() for part in parts):
                raise StorageError(f"{folder} is not shared by the machines of the Ray cluster")
            (folder / _JOINED).touch()
            _join(parts, output)
            _remove_parts(parts, folder)
    except OSError as error:
        raise StorageError(f"cannot write {output}: {error.strerror or error}") from None
    return True


def _write_part(
    recommender: Recommender,
    rows: np.ndarray,
    parts: Sequence[Path],
    part_users: int,
    choice: dict[str, Any],
    number: int,
    progress: CountCallback = lambda done, total: None,
) -> np.ndarray:
    """Ranks the users of a part and writes it; returns their number, `[1]`."""
    start, path = number * part_users, parts[number]

    some = rows[start : start + part_users]
    top = recommender.recommend_rows(
        some, progress=lambda done, _: progress(start + done, len(rows)), **choice
    )
    with replacing(path) as aside:
        write_part(aside, path.suffix, recommender, some, top, header=not number)
    return np.array([len(some)])


def _hash(rows: np.ndarray) -> str:
    return hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest()


def _open_parts(folder: Path, run: dict[str, Any]) -> None:
    """Makes the folder of the parts, or checks that its parts belong to this run."""
    folder.mkdir(parents=True, exist_ok=True)
    path, text = folder / _RUN, json.dumps(run, indent=2)
    if path.exists():
        if path.read_text() != text:
            raise ConfigError(
                f"{folder} holds parts of another run (another model, other users or another k): "
                "delete it, or choose another --output"
            )
        return
    if any(folder.iterdir()):
        raise ConfigError(f"{folder} is not a folder of parts: move it, or choose another --output")
    write_text(path, text)


def _remove_parts(parts: list[Path], folder: Path) -> None:
    """Removes what a run wrote; last, what says which run: a killed one resumes."""
    for path in [*parts, folder / _JOINED, folder / _RUN]:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _join(parts: list[Path], output: Path) -> None:
    """Joins the parts, one at a time."""
    with replacing(output) as aside:
        if output.suffix == ".parquet":
            schema = pq.read_schema(parts[0])
            with pq.ParquetWriter(aside, schema, compression="zstd") as writer:
                for part in parts:
                    writer.write_table(pq.read_table(part))
            return
        with aside.open("wb") as file:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, file)
