"""Scores over several splits."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from symcere_jax.api.frames import frame_kind, from_arrow, to_arrow
from symcere_jax.api.steps import fit, prepare
from symcere_jax.errors import ConfigError
from symcere_jax.files import write_json


def cross_validate(
    data: Any,
    folder: str | Path,
    *,
    folds: int = 5,
    training: Mapping[str, Any] | None = None,
    progress: bool = True,
    **settings: Any,
) -> Any:
    """Trains and tests on several splits, because one small split proves little.

    Args:
        data: as in `prepare`.
        folder: gets a folder for each fold, with its data and its run; the same call resumes.
        folds: number of splits; in each, another part of each user's reviews is the test.
        training: settings of `fit`, such as `{"epochs": 20}`.
        progress: show stages and bars on stderr.
        **settings: columns and settings of `prepare`.

    Returns:
        A frame of fold and one column per test metric.

    Raises:
        ConfigError: a setting is unknown or out of its limits, or the folder holds folds of other
            data or settings.
    """
    if folds < 2:
        raise ConfigError(f"folds is {folds}, must be at least 2")
    folder, training = Path(folder), dict(training or {})
    columns = {"split": "kfold", "folds": folds} | settings
    mark, digest = folder / "cross_validation.json", _digest(data, [columns, training])
    if mark.exists() and json.loads(mark.read_text()) != digest:
        raise ConfigError(f"{folder} holds folds of other data or settings: choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(mark, digest)
    rows = []
    for fold in range(folds):
        place = folder / f"fold_{fold}"
        if not (place / "data").exists():
            prepare(data, place / "data", fold=fold, progress=progress, **columns)
        model = fit(place / "data", place / "run", progress=progress, **training)
        rows.append({"fold": fold} | model.evaluate())
    return from_arrow(pa.Table.from_pylist(rows), frame_kind(data))


def _digest(data: Any, settings: Any) -> str:
    """Identifies the data, in memory or by its path, and the settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    if isinstance(data, str | Path | list | tuple):
        digest.update(str(data).encode())
    else:
        table = to_arrow(data).combine_chunks()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        digest.update(sink.getvalue())
    return digest.hexdigest()
