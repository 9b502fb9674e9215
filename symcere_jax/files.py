"""Writing files whole: a reader never sees half of one, a full disk leaves what was there."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Has a file written aside, in the same folder, and renamed at the end of a block.

    Args:
        path: the file; replaced if it exists. Its folder is there.

    Yields:
        The path to write to. Where the block fails, it is removed, and `path` stays as it was.
    """
    aside = path.with_name(f"{path.name}.tmp")
    try:
        yield aside
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # what is wrong is known already
            aside.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, indented."""
    write_text(path, json.dumps(content, indent=2) + "\n")
