"""Checks of folders to write, before any work: writable, and not used for another purpose."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from symcere_jax.errors import ConfigError, StorageError

PREPARED, RUN = "a prepared folder", "a training run"
MODEL = "a model folder"
SEARCH, ABLATION, BASELINES = STUDIES = ("a search", "an ablation", "baselines")

# What lies in a folder of each purpose, and in no other.
_MARKS = {
    PREPARED: ("manifest.json",),
    RUN: ("checkpoints", "experts"),
    MODEL: ("model.json",),
    SEARCH: ("study.log",),
    ABLATION: ("ablation.json",),
    BASELINES: ("baselines.json",),
}


def check_output_folder(folder: Path, flag: str, *purposes: str) -> None:
    """Refuses a folder that must not be written to.

    Args:
        folder: need not exist.
        flag: that names it, without dashes.
        *purposes: that a folder may already have; a folder without a purpose is always accepted.

    Raises:
        ConfigError: it is a file, or holds what another command wrote.
        StorageError: the system does not let us write there.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: choose a folder as --{flag}")
    for purpose in _purposes_of(folder):
        if purpose not in purposes:
            raise ConfigError(f"{folder} holds {purpose}: choose another --{flag}")
    check_writable(folder, flag)


def check_writable(folder: Path, flag: str) -> None:
    """Makes sure that files can be written to a folder, or that it can be made.

    Raises:
        StorageError: the system does not let us.
    """
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise StorageError(
            f"cannot write to {folder}: {error.strerror or error}; choose another --{flag}"
        ) from None


def _purposes_of(folder: Path) -> Iterator[str]:
    for purpose, names in _MARKS.items():
        if any((folder / name).exists() for name in names):
            yield purpose
