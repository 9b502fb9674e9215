"""Pages in one file: no network, no scripts, narrow screens, light and dark, print."""

import functools
from collections.abc import Sequence
from typing import Any

from symcere_jax.optional import require
from symcere_jax.report.documents import Document


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
