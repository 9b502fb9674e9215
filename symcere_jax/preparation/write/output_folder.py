"""The output folder: complete or absent, and written by one program at a time."""

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.locking import locked


@contextlib.contextmanager
def locked_output(output: Path, flag: str = "output") -> Iterator[None]:
    """Keeps other programs from writing a folder, and removes what a killed one left.

    Folders above it are made for the time of the block, and stay if something is in them then.

    Raises:
        BusyError: another process writes it.
        DataError: the system refuses to write there.
    """
    resolved = output.resolve()  # a path such as "." has no name to put a mark on
    new_parents = [parent for parent in resolved.parents if not parent.exists()]
    try:
        try:
            resolved.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"cannot write {output}: {error.strerror or error}") from error
        with locked(
            resolved.with_name(f".{resolved.name}.lock"),
            f"--{flag}={output}",
            f"choose another --{flag}",
        ):
            _remove_leftovers(resolved)
            yield
    finally:
        for parent in new_parents:
            with contextlib.suppress(OSError):  # there is something in it
                parent.rmdir()


def check_output(output: Path, source: str | None, *, overwrite: bool) -> None:
    """Refuses, before any work is done, an output that should not be written.

    Raises:
        ConfigError: it holds the raw data, is no prepared folder, or must not be overwritten.
    """
    if source and Path(source).resolve().is_relative_to(output.resolve()):
        raise ConfigError(f"--output={output} holds the input {source}; choose another folder")
    if not os.path.lexists(output):
        return
    if not (output / schema.MANIFEST).is_file():
        raise ConfigError(f"{output} exists and is not a prepared folder; choose another --output")
    if not overwrite:
        raise ConfigError(f"{output} exists; use --overwrite, or choose another --output")
    _files_of(output)


@contextlib.contextmanager
def new_folder(output: Path, announce: MessageCallback = lambda message: None) -> Iterator[Path]:
    """A folder beside `output`, which replaces it when the block ends without an exception.

    Files that the manifest of the old folder does not list, such as a user's notes, stay.

    Args:
        output: the final folder, which is locked; replaced if it is a prepared folder.
        announce: is told about files that stay.

    Raises:
        ConfigError: a file that is to stay has the name of a new one.
        DataError: the system refuses to write there.
    """
    output = output.resolve()
    folder, replaced = _aside(output)
    try:
        folder.mkdir()
        yield folder
        if output.exists():
            if n_kept := _keep_others(output, folder):
                announce(f"kept: {n_kept} files in {output} that are not prepared data")
            output.rename(replaced)
        folder.rename(output)
        shutil.rmtree(replaced, ignore_errors=True)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if replaced.exists() and not output.exists():
            replaced.rename(output)
        if isinstance(error, OSError):
            # NumPy says no more than how much it could write.
            reason = error.strerror or f"is the disk full? {error}"
            raise DataError(f"cannot write {output}: {reason}") from error
        raise


def _keep_others(old: Path, new: Path) -> int:
    """Links files that the manifest of the old folder does not list into the new; counts them.

    With two links, a kill at any moment loses none of them.
    """
    own = {old / name for name in (*_files_of(old), schema.MANIFEST)}
    own |= {parent for path in own for parent in path.parents}
    n_kept = 0
    for root, folders, files in os.walk(old):
        for path in sorted(Path(root, name) for name in (*folders, *files)):
            target = new / path.relative_to(old)
            if path.is_dir() and not path.is_symlink():
                if path not in own:
                    target.mkdir(exist_ok=True)
            elif path not in own:
                if os.path.lexists(target):
                    raise ConfigError(f"{path} has the name of a file to be written: move it")
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(path, target)
                n_kept += 1
    return n_kept


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError:  # the file system has no links
        shutil.copy2(path, target, follow_symlinks=False)


def _files_of(output: Path) -> Collection[str]:
    """What the manifest of a prepared folder lists; an error where it is damaged."""
    try:
        files = json.loads((output / schema.MANIFEST).read_text(encoding="utf-8"))["files"]
        return files.keys()
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            f"{output / schema.MANIFEST} does not list the files of the prepared data: "
            "delete the folder, or choose another --output"
        ) from None


def _remove_leftovers(output: Path) -> None:
    """Removes what a killed run left beside the locked output, and restores what it replaced."""
    folder, replaced = _aside(output)
    if replaced.exists() and not output.exists():
        replaced.rename(output)
    for leftover in (folder, replaced):
        shutil.rmtree(leftover, ignore_errors=True)


def _aside(output: Path) -> tuple[Path, Path]:
    """Where the new folder is written, and where the replaced one is moved."""
    return output.with_name(f".{output.name}.partial"), output.with_name(f".{output.name}.replaced")
