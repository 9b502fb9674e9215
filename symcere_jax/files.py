"""Writing files completely or not at all: a full disk leaves the old file as it was."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replaces a file at the end of a block; if the block fails, the file stays as it was.

    Args:
        path: the file; its folder exists.

    Yields:
        The path to write to, in the same folder.
    """
    aside = path.with_name(f"{path.name}.tmp")
    try:
        yield aside
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error counts
            aside.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, indented."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def drop_torn_line(path: Path) -> None:
    """Removes the last line of a file, if it was cut off while it was written."""
    if path.exists():
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
