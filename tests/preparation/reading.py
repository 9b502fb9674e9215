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
    blocks = list(SOURCES[source].read(PrepareSettings(**options | settings), log))
    rows = [row for block in blocks for row in block.table.to_pylist()]
    places = [block.where(row) for block in blocks for row in range(len(block.lines))]
    return rows, places, log
