"""Arrays on disk, by Orbax, whose own messages are silenced."""

import contextlib
import errno
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from symcere_jax.training.checkpoints.contents import DamagedError

if TYPE_CHECKING:
    import orbax.checkpoint as ocp


def write_arrays(folder: Path, trees: Mapping[str, Any]) -> None:
    """Writes trees of NumPy arrays, a part each.

    Raises:
        OSError, ValueError: they cannot be written; see `reason`.
    """
    import orbax.checkpoint as ocp  # slow to import

    # On a full disk Orbax fails in several threads, which print tracebacks of their own.
    n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(dict(trees)))
    if shutil.disk_usage(folder.parent).free < n_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    parts: dict[str, Any] = {name: ocp.args.StandardSave(tree) for name, tree in trees.items()}
    try:
        with _orbax() as orbax:
            orbax.save(folder, args=ocp.args.Composite(**parts))
    except (OSError, ValueError):
        # Of several arrays that cannot be written, Orbax asks for the first; asyncio would report
        # the others, with a traceback, once they are forgotten, and complain of its closed loop.
        logging.getLogger("asyncio").addFilter(_is_reported)
        sys.unraisablehook = _ignore_closed_loop
        raise


def read_arrays(folder: Path, part: str, like: Any) -> Any:
    """Reads a part of a checkpoint onto the first device, like arrays or shapes."""
    import orbax.checkpoint as ocp

    # The devices that wrote it need not exist here: name the device to read onto.
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), like
    )
    args: Any = {part: ocp.args.StandardRestore(abstract)}
    with _orbax(folder) as orbax:
        return orbax.restore(folder, args=ocp.args.Composite(**args))[part]


def reason(error: Exception) -> str:
    """Why something cannot be written; Orbax wraps it in several lines of its own."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES):
        if os.strerror(code) in str(error):
            return os.strerror(code)
    return " ".join(str(error).split())[:300]


def _is_reported(record: logging.LogRecord) -> bool:
    return "exception was never retrieved" not in record.getMessage()


def _ignore_closed_loop(unraisable: Any) -> None:
    if "Event loop is closed" not in str(unraisable.exc_value):
        sys.__unraisablehook__(unraisable)


@contextlib.contextmanager
def _orbax(folder: Path | None = None) -> Iterator["ocp.Checkpointer"]:
    """Orbax, silenced.

    Args:
        folder: that is read; what goes wrong then is reported as damage of it.
    """
    import orbax.checkpoint as ocp

    # Orbax logs every step of its work as a warning or an error; ours say what matters.
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        process = jax.process_index()
        # Each process by itself: only the primary one writes, and any of them may read.
        alone = ocp.options.MultiprocessingOptions(
            primary_host=process,
            active_processes={process},
            barrier_sync_key_prefix=f"process_{process}",
        )
        options = ocp.CompositeOptions(multiprocessing_options=alone)
        handler = ocp.CompositeCheckpointHandler(composite_options=options)
        with ocp.Checkpointer(handler, multiprocessing_options=alone) as orbax:
            yield orbax
    except (OSError, ValueError, KeyError, TypeError) as error:
        if folder is None:
            raise
        reason = " ".join(str(error).split())[:300]
        raise DamagedError(f"{folder} is damaged ({reason})") from error
    finally:
        logger.setLevel(level)
