"""Files of a report, for people and for programs."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from symcere_jax.files import replacing


def write_files(folder: Path, writers: Mapping[str, Callable[[Path], object]]) -> list[Path]:
    """Writes files into a folder, each aside first and then renamed.

    Args:
        folder: made if it is missing.
        writers: name of a file -> writes it to the path that it is given.

    Returns:
        The paths of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, write in writers.items():
        with replacing(folder / name) as aside:
            write(aside)
        paths.append(folder / name)
    return paths


def write_report(
    folder: Path, name: str, markdown: str, content: Any, figure: Figure
) -> list[Path]:
    """Writes the same for people, for programs and as a plot: `NAME.md`, `.json` and `.png`.

    Args:
        folder: where to; made if it is missing.
        name: of the files.
        markdown: the first.
        content: the second; numbers that are not finite become null.
        figure: the third.

    Returns:
        The paths of the files.
    """
    text = json.dumps(_jsonable(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_files(
        folder,
        {
            f"{name}.md": lambda path: path.write_text(markdown, encoding="utf-8"),
            f"{name}.json": lambda path: path.write_text(text, encoding="utf-8"),
            f"{name}.png": lambda path: figure.savefig(path, dpi=110, format="png"),
        },
    )


def _jsonable(value: Any) -> Any:
    """The same with null for numbers that are not finite, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _jsonable(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(of) for of in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
