"""Tables in Markdown files, between the lines `<!-- label -->` and `<!-- /label -->`."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from symcere_jax.files import write_text


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], n_words: int = 1) -> str:
    """A table in Markdown.

    Args:
        header: names of the columns.
        rows: cells.
        n_words: columns of words, which come first; all others are aligned to the right.
    """
    rule = ["---" if place < n_words else "---:" for place in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def replace(path: Path, label: str, text: str) -> None:
    """Puts a text between the marks of a label; ends the program where they are missing."""
    pattern = re.compile(rf"(<!-- {re.escape(label)} -->\n).*?(<!-- /{re.escape(label)} -->)", re.S)
    content, n = pattern.subn(lambda found: f"{found[1]}{text}\n{found[2]}", path.read_text())
    if n != 1:
        sys.exit(f"error: {path} needs the lines <!-- {label} --> and <!-- /{label} --> once")
    write_text(path, content)
