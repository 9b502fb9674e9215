"""Documents of tables and plots: as Markdown without the plots, and as sections of a page.

A page is one file without network or scripts, for narrow screens, light and dark mode, and print.
The content of a document is stored as JSON, from which it can be made again.
"""

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from symcere_jax.errors import DataError
from symcere_jax.files import write_text
from symcere_jax.optional import require
from symcere_jax.report.plots import Plot, svg
from symcere_jax.report.tables import Table

Record = TypeVar("Record")


@dataclasses.dataclass(frozen=True)
class Heading:
    """A title within a document."""

    text: str


@dataclasses.dataclass(frozen=True)
class Span:
    """A piece of a text; a value from −1, orange, to 1, blue, colors it; hover shows the title."""

    text: str
    value: float = 0.0
    title: str = ""


@dataclasses.dataclass(frozen=True)
class ColoredText:
    """A text with words colored by their contributions."""

    spans: Sequence[Span]


Block = str | Heading | Table | Plot | ColoredText


@dataclasses.dataclass(frozen=True)
class Document:
    """What a report says; a block that is a string is a paragraph of plain text."""

    title: str
    blocks: Sequence[Block]

    @property
    def plot(self) -> Plot | None:
        """The first plot."""
        return next((block for block in self.blocks if isinstance(block, Plot)), None)

    def markdown(self) -> str:
        """Title, headings, paragraphs and tables, without those that a page folds away."""
        parts = [f"# {self.title}"]
        for block in self.blocks:
            if isinstance(block, str):
                parts.append(block)
            elif isinstance(block, Heading):
                parts.append(f"## {block.text}")
            elif isinstance(block, Table) and not block.summary:
                parts.append(block.markdown())
        return "\n\n".join(parts) + "\n"


def write_document(document: Document, content: Any, folder: Path, name: str) -> list[Path]:
    """Writes `NAME.md`, `NAME.json` and, if the document has a plot, `NAME.svg`.

    The JSON file holds `content`, which the document was made of (see `to_json`).
    """
    texts = {"md": document.markdown(), "json": to_json(content)}
    if document.plot is not None:
        texts["svg"] = svg(document.plot.figure())
    return write_texts({folder / f"{name}.{ending}": text for ending, text in texts.items()})


def write_texts(texts: Mapping[Path, str]) -> list[Path]:
    """Writes files, and their folders; returns their paths."""
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return list(texts)


def render_page(title: str, sections: Sequence[Document]) -> str:
    """A page of documents, with links to each; whatever is in them is shown as text."""
    return _environment().get_template("page.html").render(title=title, sections=sections)


@functools.cache
def _environment() -> Any:
    jinja2 = require("jinja2", extra="report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("symcere_jax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment


def to_json(record: Any) -> str:
    """A record as JSON text.

    It is a dataclass or mapping of numbers, texts, arrays, and lists and mappings of these. Numbers
    that are not finite become null, and arrays, which only plots need, are left out.
    """
    return json.dumps(_jsonable(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_record(path: Path, kind: type[Record], remedy: str) -> Record:
    """Reads what `to_json` wrote.

    Raises:
        DataError: the file is missing or malformed.
    """
    try:
        return _restored(kind, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no {kind.__name__} ({error!r}); {remedy}") from None


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {k: _jsonable(v) for k, v in value.items() if not isinstance(v, np.ndarray)}
    if isinstance(value, list | tuple):
        return [_jsonable(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _restored(kind: Any, value: Any) -> Any:
    """A value of a type from what JSON makes of it."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _restored(hint, value[name]) for name, hint in hints.items()})  # type: ignore[operator]
    if origin is types.UnionType:  # of a type and None
        return None if value is None else _restored(arguments[0], value)
    if origin in (list, tuple) and isinstance(value, list):
        return origin(_restored(arguments[0], entry) for entry in value)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {key: _restored(arguments[1], entry) for key, entry in value.items()}
    if kind is float:
        return math.nan if value is None else float(value)
    if kind is Any or isinstance(value, kind):
        return value
    raise TypeError(f"{value!r} is not a {kind}")
