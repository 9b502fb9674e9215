"""Tables in Markdown files, between marks."""

import re
import sys
from pathlib import Path


def replace_table(path: Path, label: str, text: str) -> None:
    """Puts a table between the lines `<!-- label -->` and `<!-- /label -->` of a file."""
    pattern = re.compile(rf"(<!-- {re.escape(label)} -->\n).*?(<!-- /{re.escape(label)} -->)", re.S)
    content, n = pattern.subn(lambda found: f"{found[1]}{text}\n{found[2]}", path.read_text())
    if n != 1:
        sys.exit(f"error: {path} needs the lines <!-- {label} --> and <!-- /{label} --> once")
    path.write_text(content)
