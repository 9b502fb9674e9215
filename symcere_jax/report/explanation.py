"""Explanations of texts: JSON, a coloured HTML page, text for the terminal."""

import dataclasses
import html
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from symcere_jax.explain.lime_words import WordContributions
from symcere_jax.report.files import write_files
from symcere_jax.report.html import page

N_WORDS = 12
LEGEND = (
    '<p class="legend"><mark class="up" style="--w:0.8">▲ more similar</mark> '
    '<mark class="down" style="--w:0.8">▼ less similar</mark> '
    "The stronger the colour, the larger the contribution; hover for numbers. Only words whose "
    "95 % interval over the repeats leaves out 0 are coloured.</p>"
)


@dataclasses.dataclass(frozen=True)
class ReviewAlignment:
    """Why a review's text is similar to the item that it is about.

    Attributes:
        row: of the review.
        user: external id of its author.
        item: external id of the item.
        against: embedding of the item that the text is compared with.
        words: contributions to the cosine of both.
    """

    row: int
    user: str
    item: str
    against: str
    words: WordContributions


def words_content(words: WordContributions) -> dict[str, Any]:
    """Contributions for JSON, the largest by size first."""
    sure = words.is_sure
    return {
        "text": words.text,
        "score": words.score,
        "fit": _finite(words.fit),
        "n_samples": words.n_samples,
        "n_repeats": words.n_repeats,
        "words": [
            {
                "word": words.words[row],
                "contribution": float(words.mean[row]),
                "std": float(words.std[row]),
                "half_width": _finite(float(words.half_width[row])),
                "sure": bool(sure[row]),
            }
            for row in words.order().tolist()
        ],
    }


def words_html(words: WordContributions) -> str:
    """The text with its words coloured by contribution; everything in it is escaped.

    Contributions are told apart by colour, by an arrow of the text's underline and by a mark, so
    that colour vision is not needed.
    """
    place = {word: row for row, word in enumerate(words.words)}
    sure = words.is_sure
    largest = float(np.abs(words.mean).max(initial=0.0)) or 1.0
    parts = []
    for piece in re.split(r"(\W+)", words.text):
        row = place.get(piece.lower())
        if row is None or not (sure[row] or words.n_repeats == 1):
            parts.append(html.escape(piece))
            continue
        value = float(words.mean[row])
        weight = abs(value) / largest
        if weight < 0.08:
            parts.append(html.escape(piece))
            continue
        kind = "up" if value > 0 else "down"
        parts.append(
            f'<mark class="{kind}" style="--w:{weight:.2f}" '
            f'title="{value:+.4f} ± {words.half_width[row]:.4f}">{html.escape(piece)}</mark>'
        )
    return f'<p class="review">{"".join(parts)}</p>'


def words_table(words: WordContributions, title: str) -> Table:
    """The largest contributions as a table with bars, for the terminal."""
    table = Table("word", "contribution", "±", "", title=escape(title))
    table.columns[1].justify = table.columns[2].justify = "right"
    sure = words.is_sure
    largest = float(np.abs(words.mean).max(initial=0.0)) or 1.0
    for row in words.order()[:N_WORDS].tolist():
        value = float(words.mean[row])
        bar = ("▲" if value > 0 else "▼") * math.ceil(10 * abs(value) / largest)
        table.add_row(
            escape(words.words[row]),
            f"{value:+.4f}",
            f"{words.half_width[row]:.4f}" if words.n_repeats > 1 else "–",
            (f"[blue]{bar}[/]" if value > 0 else f"[dark_orange]{bar}[/]") if sure[row] else bar,
        )
    table.caption = f"similarity {words.score:.3f}, fit R² {words.fit:.2f}"
    return table


def alignments_html(alignments: Sequence[ReviewAlignment]) -> str:
    """A section a review."""
    sections = [LEGEND]
    for one in alignments:
        sections.append(
            f"<h2>Review {one.row}: {html.escape(one.user)} on {html.escape(one.item)}</h2>"
            f"<p>Similarity of the text and the item's {html.escape(one.against)} embedding: "
            f"<b>{one.words.score:.3f}</b>. Fit of the linear model: R² {one.words.fit:.2f}, "
            f"{one.words.n_repeats} × {one.words.n_samples} perturbed texts.</p>"
            + words_html(one.words)
        )
    return "".join(sections)


def alignment_table(one: ReviewAlignment) -> Table:
    """An explained review, for the terminal."""
    return words_table(one.words, f"review {one.row}: {one.user} on {one.item}")


def write_alignments(
    alignments: Sequence[ReviewAlignment], folder: Path, dataset: str
) -> list[Path]:
    """Writes `explanations.json` and `explanations.html`.

    Args:
        alignments: explained reviews.
        folder: where to; made if it is missing.
        dataset: name of the data set, for the title.
    """
    content = [
        {"review": one.row, "user_id": one.user, "item_id": one.item, "against": one.against}
        | words_content(one.words)
        for one in alignments
    ]
    title = f"Why reviews align with their items: {dataset}"
    return write_explanations(
        folder, {"dataset": dataset, "reviews": content}, title, alignments_html(alignments)
    )


def write_explanations(folder: Path, content: dict[str, Any], title: str, body: str) -> list[Path]:
    """Writes `explanations.json` and `explanations.html`.

    Args:
        folder: where to; made if it is missing.
        content: of the JSON file.
        title: of the page.
        body: HTML of the page.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return write_files(
        folder,
        {
            "explanations.json": lambda path: path.write_text(text, encoding="utf-8"),
            "explanations.html": lambda path: path.write_text(page(title, body), encoding="utf-8"),
        },
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
