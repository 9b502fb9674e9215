"""The command line of a command: flags, flag files, help."""

import difflib
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import flags

_WORDS = ("texts", "search")  # flags whose values are never paths


def show_help_of(main: Callable[[], None]) -> None:
    """Has `--help` show the docstring of a command's module, and the flags that it defines.

    absl takes both from the script that runs, which is a stub. Flags that commands share are
    defined in other modules of this package.
    """
    text = sys.modules[main.__module__].__doc__ or ""
    if sys.argv[0].startswith("symcere "):  # where there need be no checkout
        text = re.sub(r"python (?:launch|data_prep)/(\w+)\.py", r"symcere \1", text)
    sys.modules["__main__"].__doc__ = text
    for name, defined in flags.FLAGS.flags_by_module_dict().items():
        if name in (main.__module__, sys.argv[0]) or name.startswith("symcere_jax.cli."):
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def parse(arguments: Sequence[str]) -> list[str]:
    """Parses the flags, and returns the other arguments; flag files never win over flags.

    Raises:
        flags.Error: a flag is unknown, missing, or has a bad value; its text is for the user.
        SystemExit: help was asked for, and printed.
    """
    try:
        lines = flags.FLAGS.read_flags_from_files(_files_first(arguments))
        # Editors on Windows begin a file with a byte order mark; absl takes it for text.
        lines = [re.sub(r"^\ufeff\s*(#.*|//.*)?", "", line) or "" for line in lines]
        return flags.FLAGS([_expand_home(line) for line in lines if line])
    except flags.UnrecognizedFlagError as error:
        raise flags.Error(f"unknown flag --{error.flagname}{_suggestion(error.flagname)}") from None
    except flags.Error as error:
        # absl states the value of a missing flag twice, and prefixes errors of files by "ERROR".
        words = re.sub(r"flag (--\w+)=None: .* other than None\.", r"\1 must be given", str(error))
        raise flags.Error(words.removeprefix("ERROR:: ")) from None


def _files_first(arguments: Sequence[str]) -> list[str]:
    program, *rest = arguments
    files, others, left = list[str](), list[str](), iter(rest)
    for argument in left:
        if argument in ("--flagfile", "-flagfile"):
            files += [argument, *itertools.islice(left, 1)]
        elif re.match("--?flagfile=", argument):
            files.append(argument)
        elif argument == "--":
            others += [argument, *left]
        else:
            others.append(argument)
    return [program, *files, *others]


def _expand_home(argument: str) -> str:
    """An argument with the home folder in place of `~`, which no shell expands behind a `=`."""
    match = re.match(r"--?(\w+)=", argument)
    if match is None or match[1] in _WORDS:
        return argument
    return re.sub(r"(?<=[=,])~(?=/)", lambda _: str(Path.home()), argument)


def _suggestion(name: str) -> str:
    names = [*flags.FLAGS]
    near = difflib.get_close_matches(name, names, 1, 0.7)
    near += [other for other in names if name in other.split("_")]
    near += difflib.get_close_matches(name, names, 1, 0.5)
    return f"; did you mean --{near[0]}?" if near else ""
