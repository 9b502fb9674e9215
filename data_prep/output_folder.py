"""The folder to write: complete under its name, or not there at all."""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from symcere_jax.data import schema
from symcere_jax.errors import ConfigError, DataError

_PARTIAL = ".partial"


def check_output(output: Path, *, overwrite: bool, source: Path | None) -> None:
    """Refuses, before any work is done, an output that could not or should not be written.

    Args:
        output: the folder to write.
        overwrite: whether a prepared folder that is already there may be replaced.
        source: the raw data, which must not be inside.

    Raises:
        ConfigError: there is something at the output that is not to be replaced.
    """
    if source is not None and source.resolve().is_relative_to(output.resolve()):
        raise ConfigError(f"--output={output} holds the input {source}; choose another folder")
    remove_leftovers(output)
    if not os.path.lexists(output):
        return
    if not overwrite:
        raise ConfigError(f"{output} exists; replace it by --overwrite, or choose another --output")
    if not (output / schema.MANIFEST).is_file():
        raise ConfigError(
            f"{output} exists and is not a prepared folder; --overwrite replaces only those"
        )


@contextlib.contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `output` when the block ends well.

    It lies beside `output`, so that the renaming is one step on one file system. When the block
    ends by an exception, it is removed, and what was at `output` before is still there.

    Args:
        output: the final folder; replaced if it exists.

    Raises:
        DataError: the system refuses to write there.
    """
    output = output.resolve()  # a path such as "." has no name to put a mark on
    mark = f"{socket.gethostname()}.{os.getpid()}{_PARTIAL}"
    folder = output.with_name(f".{output.name}.{mark}")
    replaced = output.with_name(f".{output.name}.replaced.{mark}")
    new_parents = [parent for parent in output.parents if not parent.exists()]
    try:
        folder.mkdir(parents=True)
        yield folder
        if output.exists():
            output.rename(replaced)
        folder.rename(output)
        shutil.rmtree(replaced, ignore_errors=True)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if replaced.exists() and not output.exists():
            replaced.rename(output)
        for parent in new_parents:
            with contextlib.suppress(OSError):  # not made yet, or in use by another program
                parent.rmdir()
        if isinstance(error, OSError):
            # NumPy says no more than how much it could write.
            reason = error.strerror or f"is the disk full? {error}"
            raise DataError(f"cannot write {output}: {reason}") from error
        raise


def remove_leftovers(output: Path) -> None:
    """Removes what a run that was killed left beside the output, and puts back what it replaced.

    Args:
        output: the folder that the run was to write.
    """
    output = output.resolve()
    if not output.parent.is_dir():
        return
    prefix = f".{output.name}."
    for folder in output.parent.iterdir():
        if not (folder.name.startswith(prefix) and folder.name.endswith(_PARTIAL)):
            continue
        host, _, process = folder.name[len(prefix) : -len(_PARTIAL)].rpartition(".")
        was_replaced = host.startswith("replaced.")
        if host.removeprefix("replaced.") != socket.gethostname() or not process.isdigit():
            continue
        if _is_alive(int(process)):
            continue
        if was_replaced and not output.exists():
            folder.rename(output)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
