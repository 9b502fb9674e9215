"""Tables in Markdown files, between the lines `<!-- label -->` and `<!-- /label -->`."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from absl import flags

from symcere_jax.evaluation import seed_std
from symcere_jax.files import write_text
from symcere_jax.report.tables import Table, plus_minus

UPDATE = flags.DEFINE_multi_string("update", [], "Markdown file whose table is replaced")


def markdown(records: Sequence[Mapping[str, str]], n_words: int = 1) -> str:
    """A table in Markdown of records with equal keys; the first `n_words` columns are words."""
    rows = [list(record.values()) for record in records]
    return Table(list(records[0]), rows, n_words).markdown()


def mean_and_spread(values: Sequence[float], digits: int = 4) -> str:
    """The mean and, of several values, ± their standard deviation."""
    return plus_minus(float(np.mean(values)), seed_std(values), f".{digits}f")


def publish(text: str, label: str) -> None:
    """Prints a table and puts it between the marks of a label in the files of --update."""
    print(text)
    replaced = [replace(Path(path), label, text) for path in UPDATE.value]
    if replaced and not any(replaced):
        files = ", ".join(map(str, UPDATE.value))
        sys.exit(f"error: {files} needs the lines <!-- {label} --> and <!-- /{label} -->")


def replace(path: Path, label: str, text: str) -> bool:
    """Puts a text between the marks of a label; returns whether the file has them."""
    pattern = re.compile(rf"(<!-- {re.escape(label)} -->\n).*?(<!-- /{re.escape(label)} -->)", re.S)
    content, n = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", path.read_text())
    write_text(path, content)
    return n > 0
