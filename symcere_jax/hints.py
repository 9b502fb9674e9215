"""Settings and commands as the reader writes them: flags in a terminal, keywords in Python.

Messages are written with flags. Unless a command runs, `SymcereError` shows keywords instead.
"""

import re
import shlex
import sys
from pathlib import Path

in_command = False
"""Whether a command runs in this process; `cli.startup` sets it."""

_CALLS = {"prepare": "sj.prepare", "train": "sj.fit"}
_DATA = ("prepare", "encode", "check")
# A command line stays as it is. A path such as a--b has no flag.
_FLAG = re.compile(
    r"(?P<line>(?:python (?:launch|data_prep)/\w+\.py|symcere \w+)(?: --\S+)+)"
    r"|(?<![\w/.-])--(?P<name>\w+)"
    r"(?P<value>=(?:[^\s;,)]|,(?=\S))*[^\s;,):]|= \(empty\))?"
)
_BARE = ("overwrite", "append", "keep_dropped")  # flags that messages give without a value


def command(name: str, *arguments: str, **flags: object) -> str:
    """What to run next: a command line for a shell, or a call for Python.

    Args:
        name: of the command, such as "train".
        *arguments: flags as they stand in a shell.
        **flags: values by the name of their flag, which are quoted where they have to be.
    """
    if not in_command and name in _CALLS:
        values = (f"{flag.replace('dataset', 'data')}={str(v)!r}" for flag, v in flags.items())
        return f"{_CALLS[name]}({', '.join([*map(in_python, arguments), *values])})"
    program = f"python {'data_prep' if name in _DATA else 'launch'}/{name}.py"
    if Path(sys.argv[0]).name.startswith("symcere "):
        program = f"symcere {name}"
    values = (f"--{flag}={shlex.quote(str(value))}" for flag, value in flags.items())
    return " ".join([program, *arguments, *values])


def in_python(message: str) -> str:
    """A message with keywords in place of flags: `k_core=3` for `--k_core=3`."""

    def keyword(match: re.Match) -> str:
        if match["line"]:
            return match["line"]
        name, value = match["name"].removesuffix("_field"), match["value"] or ""
        if value.endswith(")"):
            return f"{name}=''"
        if not value:
            return f"{name}=True" if name in _BARE else name
        is_text = not re.fullmatch(r"=(-?[\d.]+|True|False|None|'.*')", value)
        return f"{name}={value[1:]!r}" if is_text else f"{name}{value}"

    return _FLAG.sub(keyword, message)
