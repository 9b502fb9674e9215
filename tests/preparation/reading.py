"""Reading raw files without preparing a folder."""

from pathlib import Path
from typing import Any

from symcere_jax.preparation.read.rows import ReadingLog
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import SOURCES


def read_source(
    source: str, path: Path, log: ReadingLog | None = None, **settings: Any
) -> tuple[list[dict[str, Any]], list[str], ReadingLog]:
    """All rows, where each stands, and what was found."""
    log = log or ReadingLog("fail", 0)
    options = {"source": source, "input": path, "output": Path("out"), "text_encoder": "none"}
    tables = list(SOURCES[source].read(PrepareSettings(**options | settings), log))
    rows = [row for table in tables for row in table.to_pylist()]
    places = [f"{row.pop('file')} {row.pop('line')}" for row in rows]
    return rows, places, log
