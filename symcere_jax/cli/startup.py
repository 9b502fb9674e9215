"""How every command starts, and how it ends when something is wrong.

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
| any other exception: a bug                    | its traceback        | 1           |
"""

import codecs
import contextlib
import errno
import io
import json
import logging
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from absl import app, flags

from symcere_jax import hints
from symcere_jax.cli import command_line
from symcere_jax.cores import has_fast_wide_vectors, usable_cores
from symcere_jax.errors import SymcereError

PREEMPTED = 75  # EX_TEMPFAIL: try again
_PIPE_CLOSED = 141  # as the shell says of a program that SIGPIPE ended
_UNUSABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
    *(errno.ELOOP, errno.ENAMETOOLONG),
)
_ESCAPED = "symcere_jax.escaped"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run(main: Callable[[], None]) -> None:
    """Parses the command line, calls `main`, and ends the process.

    Raises:
        SystemExit: always, with the exit status of the table above.
    """

    def guarded(arguments: Sequence[str]) -> None:
        if len(arguments) > 1:
            _fail(f"unexpected argument {arguments[1]!r}: settings are given as --flag=value", 2)
        tune_compiler()
        keep_compiled()
        with one_line():
            main()

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPED)
    hints.in_command = True
    command_line.show_help_of(main)
    with contextlib.suppress(ValueError):  # in another thread than the first one
        signal.signal(signal.SIGTERM, _stop)
    # JAX warns on machines without a TPU.
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)
    app.run(guarded, flags_parser=_parse)


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Ends the process with one line if a user can fix what goes wrong in a block."""
    try:
        yield
        sys.stdout.flush()
    except SymcereError as error:
        _fail(str(error), 1)
    except BrokenPipeError:
        _drop_output()  # whoever reads it, such as `head`, has enough
        sys.exit(_PIPE_CLOSED)
    except OSError as error:
        name = error.filename or "a file"
        if error.errno in _NO_ROOM:
            if error.filename is None:
                _drop_output()
            _fail(f"{name}: {error.strerror}; make room, then try again", 1)
        if error.errno in _UNUSABLE:
            _fail(f"{name}: {error.strerror}; choose another path", 1)
        raise
    except (RuntimeError, AssertionError) as error:
        if str(error).startswith("Symlink loop"):
            _fail(f"{error}; choose another path", 1)
        if problem := _platform_problem():
            _fail(problem, 1)
        raise
    except KeyboardInterrupt:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # DuckDB replaces what _stop raises
            sys.exit(PREEMPTED)
        say("interrupted")
        sys.exit(130)


def _drop_output() -> None:
    """Leaves nothing to flush at the end of the process, which would fail again."""
    with contextlib.suppress(OSError):  # where stdout is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _platform_problem() -> str:
    """What is wrong with JAX_PLATFORMS; empty if nothing is."""
    jax, wanted = sys.modules.get("jax"), os.environ.get("JAX_PLATFORMS")
    if jax is None or not wanted:
        return ""
    try:
        jax.local_devices()
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200] or "it cannot be used here"
        return f"JAX_PLATFORMS={wanted}: {reason}; set it to cpu, or unset it"
    return ""


def _escape(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that an output cannot show: as in JSON, so that JSON stays valid."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_ESCAPED, _escape)


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

    It is in JAX_COMPILATION_CACHE_DIR, by default in the user's cache folder, separately for each
    number of cores: a program for a CPU has as many parts, and JAX would load one of a single core.
    """
    jax, name = sys.modules.get("jax"), "JAX_COMPILATION_CACHE_DIR"
    if os.environ.get(name) or (jax and jax.config.jax_compilation_cache_dir):
        return
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "symcere_jax" / "compiled" / f"cores_{usable_cores()}"
    with contextlib.suppress(OSError):  # without a writable home, nothing is kept
        folder.mkdir(parents=True, exist_ok=True)
        # JAX reads these when it is imported. A training has a hundred small programs; JAX would
        # keep those alone that take a second.
        os.environ[name] = str(folder)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        if jax:
            jax.config.update("jax_compilation_cache_dir", str(folder))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _stop(number: int, frame: types.FrameType | None) -> None:
    """Cleans up at SIGTERM; commands that can resume handle it themselves."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            # Modules in C swallow an exception while they are imported, or crash: try again soon.
            signal.signal(signal.SIGALRM, _stop)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            return
        frame = frame.f_back
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    say("stopped; run the same command again")
    sys.exit(PREEMPTED)


def _parse(arguments: Sequence[str]) -> list[str]:
    with one_line():
        try:
            return command_line.parse(arguments)
        except flags.Error as error:
            _fail(f"{error}; --help lists the flags", 2)
        except SystemExit:
            sys.stdout.flush()
            sys.exit(0)  # absl ends with status 1 after --help
    raise AssertionError  # one of these has ended it


def _fail(message: str, status: int) -> NoReturn:
    """Ends the process with one line, even if a name or value in the message has several."""
    print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(status)
