"""Writing files so that a reader never sees half of one."""

from collections.abc import Callable, Mapping
from pathlib import Path


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
        temporary = folder / f"{name}.tmp"
        write(temporary)
        paths.append(temporary.replace(folder / name))
    return paths
