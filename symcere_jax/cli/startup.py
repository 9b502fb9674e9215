"""How every command starts, and how it ends when something is wrong.

    def run() -> None:
        startup.run(main)

| what happens                                  | on stderr            | exit status |
|-----------------------------------------------|----------------------|-------------|
| `main` returns                                | nothing              | 0           |
| `--help`, `--helpfull`                        | nothing (help: stdout) | 0         |
| a `SymcereError`: the user can fix it         | `error: <message>`   | 1           |
| an unknown flag, a bad value, a stray argument | `error: <message>`  | 2           |
| a full disk, a path that cannot be used       | `error: <file>: <reason>; …` | 1 |
| the reader of the output has closed it        | nothing              | 141         |
| Ctrl-C                                        | `interrupted`        | 130         |
| SIGTERM                                       | `stopped …`          | 75          |
| any other exception: a defect of the program  | its traceback        | 1           |
"""

import contextlib
import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from absl import app, flags

from symcere_jax.cores import has_fast_wide_vectors, usable_cores
from symcere_jax.errors import SymcereError

PREEMPTED = 75  # EX_TEMPFAIL: try again
_PIPE_CLOSED = 141  # as the shell says of a program that SIGPIPE ended
_UNUSABLE = (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run(main: Callable[[], None]) -> None:
    """Parses the command line, calls `main`, and ends the process.

    Args:
        main: takes its settings from the flags.

    Raises:
        SystemExit: always, with the exit status of the table above.
    """

    def guarded(arguments: Sequence[str]) -> None:
        if len(arguments) > 1:
            _fail(f"unexpected argument {arguments[1]!r}: settings are given as --flag=value", 2)
        try:
            main()
        except SymcereError as error:
            _fail(str(error), 1)
        except BrokenPipeError:
            # Whoever reads the output, such as `head`, has enough: nothing is left to flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(_PIPE_CLOSED)
        except OSError as error:
            name = error.filename or "a file"
            if error.errno in _NO_ROOM:
                _fail(f"{name}: {error.strerror}; make room, then try again", 1)
            if isinstance(error, _UNUSABLE):
                _fail(f"{name}: {error.strerror}; choose another path", 1)
            raise
        except KeyboardInterrupt:
            say("interrupted")
            sys.exit(130)

    _show_help_of(main)
    with contextlib.suppress(ValueError):  # in another thread than the first one
        signal.signal(signal.SIGTERM, _stop)
    # JAX warns on machines without a TPU.
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)
    tune_compiler()
    keep_compiled()
    app.run(guarded, flags_parser=_parse)


def say(words: str) -> None:
    """Shows a line on stderr, at once."""
    print(words, file=sys.stderr, flush=True)


def tune_compiler() -> None:
    """Sets XLA flags that make programs faster on CPUs, unless the user has set them."""
    given = os.environ.get("XLA_FLAGS", "")
    wanted = []
    if has_fast_wide_vectors():  # XLA's own choice is 256 bits everywhere
        wanted.append(("xla_cpu_prefer_vector_width", "512"))
    # XLA runs small loops on one core; JAX 0.12 counts those of message passing among them,
    # whatever their size.
    wanted.append(("xla_backend_extra_options", "xla_cpu_small_while_loop_byte_threshold=0"))
    added = [f"--{name}={value}" for name, value in wanted if name not in given]
    os.environ["XLA_FLAGS"] = " ".join([*given.split(), *added])


def keep_compiled() -> None:
    """Turns on JAX's cache of compiled programs, so that the next start need not compile.

    It lies in the folder that JAX_COMPILATION_CACHE_DIR names, by default in the user's cache
    folder, separately for each number of cores: a program for a CPU is compiled into as many parts,
    and JAX would load one that was compiled for a single core.
    """
    jax = sys.modules.get("jax")  # commands that do without it need not import it
    if jax is None or jax.config.jax_compilation_cache_dir:
        return
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "symcere_jax" / "compiled" / f"cores_{usable_cores()}"
    with contextlib.suppress(OSError):  # without a writable home, nothing is kept
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))


def _stop(number: int, frame: object) -> None:
    """Cleans up at SIGTERM; commands that can resume handle it themselves."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    say("stopped; run the same command again")
    sys.exit(PREEMPTED)


def _show_help_of(main: Callable[[], None]) -> None:
    """Has `--help` show the docstring of a command's module, and the flags that it defines.

    absl takes both from the script that runs, which is a stub. Flags that commands share are
    defined in other modules of this package.
    """
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__
    for name, defined in flags.FLAGS.flags_by_module_dict().items():
        if name in (main.__module__, sys.argv[0]) or name.startswith("symcere_jax.cli."):
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def _parse(arguments: Sequence[str]) -> list[str]:
    """Parses the flags; returns the program's name and the other arguments."""
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        # absl states the value of a missing flag twice, and prefixes errors of files by "ERROR".
        words = re.sub(r"flag (--\w+)=None: .* other than None\.", r"\1 must be given", str(error))
        _fail(f"{words.removeprefix('ERROR:: ')}; --help lists the flags", 2)
    except SystemExit:
        sys.exit(0)  # absl ends with status 1 after --help


def _fail(message: str, status: int) -> NoReturn:
    """Ends the process with one line, even if a name or value in the message has several."""
    print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(status)
