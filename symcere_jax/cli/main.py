"""The command `symcere`: its first argument names one of the commands."""

import ast
import difflib
import importlib
import sys
from pathlib import Path

from symcere_jax.cli import commands, startup


def run(name: str | None = None) -> None:
    """Starts a command; the first argument names it if `name` is None.

    Raises:
        SystemExit: always.
    """
    if name is None:
        name, *arguments = sys.argv[1:] or ["--help"]
        if name in ("help", "-h", "--help", "-help", "--helpfull"):
            with startup.one_line():
                print(_overview())
            sys.exit(0)
        if name in ("version", "--version"):
            print(f"symcere_jax {importlib.import_module('symcere_jax').__version__}")
            sys.exit(0)
        known = [command for group in commands.GROUPS.values() for command in group]
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            print(f"error: no command {name!r}; {hint}symcere --help lists them", file=sys.stderr)
            sys.exit(2)
        sys.argv = [f"symcere {name}", *arguments]
    if name == "check" and len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        sys.argv[1] = f"--dataset={sys.argv[1]}"
    startup.run(importlib.import_module(commands.module_of(name)).main)


def _overview() -> str:
    """All commands in groups, each with the first line of its docstring."""
    lines = ["Recommendations from a user-item graph and review texts.", ""]
    lines.append(
        "usage: symcere COMMAND [--flag=value ...]; symcere COMMAND --help lists its flags"
    )
    for group, names in commands.GROUPS.items():
        lines += ["", f"{group}:"]
        for name in names:
            # Importing it would take seconds.
            path = Path(commands.__path__[0], group, f"{name}.py")
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            lines.append(f"  {name:10} {text.splitlines()[0]}")
    return "\n".join(lines)
