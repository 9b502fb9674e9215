"""Commands as messages name them: as they were installed, or as scripts of the repository."""

import shlex
import sys
from pathlib import Path

_DATA = ("prepare", "encode", "check")


def command(name: str, *arguments: object, **flags: object) -> str:
    """A command line that can be copied into a shell.

    Args:
        name: of the command, such as "train".
        *arguments: as they stand in a shell.
        **flags: values by the name of their flag, which are quoted where they have to be.
    """
    program = f"python {'data_prep' if name in _DATA else 'launch'}/{name}.py"
    if Path(sys.argv[0]).name.startswith("symcere "):
        program = f"symcere {name}"
    values = (f"--{flag}={shlex.quote(str(value))}" for flag, value in flags.items())
    return " ".join([program, *map(str, arguments), *values])
