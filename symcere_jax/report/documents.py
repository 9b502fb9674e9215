"""Documents of tables and plots: as Markdown without the plots, and as sections of a page.

A page is one file: no network, no scripts, narrow screens, light and dark, print.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symcere_jax.files import replacing, write_text
from symcere_jax.optional import require
from symcere_jax.report.plots import Plot, png
from symcere_jax.report.records import to_json
from symcere_jax.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Heading:
    """A title within a document."""

    text: str


@dataclasses.dataclass(frozen=True)
class Details:
    """A table that is folded away under a line."""

    summary: str
    table: Table


@dataclasses.dataclass(frozen=True)
class Span:
    """A piece of a text, perhaps a colored word.

    Attributes:
        text: as it was written.
        value: above 0: blue, below: orange, from −1 to 1; 0: not colored.
        title: shown on hovering.
    """

    text: str
    value: float = 0.0
    title: str = ""


@dataclasses.dataclass(frozen=True)
class ColoredText:
    """A text with words colored by their contributions."""

    spans: Sequence[Span]


Block = str | Heading | Table | Plot | Details | ColoredText


@dataclasses.dataclass(frozen=True)
class Document:
    """What a report says.

    Attributes:
        title: plain text.
        blocks: in order; a string is a paragraph of plain text.
    """

    title: str
    blocks: Sequence[Block]

    @property
    def plot(self) -> Plot | None:
        """The first plot."""
        return next((block for block in self.blocks if isinstance(block, Plot)), None)

    def markdown(self) -> str:
        """Title, headings, paragraphs and tables."""
        parts = [f"# {self.title}"]
        for block in self.blocks:
            if isinstance(block, str):
                parts.append(block)
            elif isinstance(block, Heading):
                parts.append(f"## {block.text}")
            elif isinstance(block, Table):
                parts.append(block.markdown())
        return "\n\n".join(parts) + "\n"


def write_document(document: Document, content: Any, folder: Path, name: str) -> list[Path]:
    """Writes `NAME.md`, `NAME.json` and, if the document has a plot, `NAME.png`.

    The JSON file holds `content`, which the document was made of (see `to_json`).
    """
    markdown, data = document.markdown(), to_json(content)
    image = None if document.plot is None else png(document.plot.figure())
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.md", folder / f"{name}.json"]
    write_text(paths[0], markdown)
    write_text(paths[1], data)
    if image is not None:
        paths.append(folder / f"{name}.png")
        with replacing(paths[2]) as aside:
            aside.write_bytes(image)
    return paths


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
