"""Explanations of reviews and recommendations: JSON, pages, tables for the terminal."""

import dataclasses
import math
import re
from pathlib import Path

from rich.table import Table as TerminalTable

from symcere_jax.explain import RecommendationExplanation, ReviewExplanation, TextExplanation
from symcere_jax.report.documents import (
    Block,
    ColoredText,
    Document,
    Heading,
    Span,
    render_page,
    to_json,
    write_texts,
)
from symcere_jax.report.tables import Table, number

NAME = "explanations"
N_WORDS = 12  # of a review
N_HISTORY = 10
LEAST_WEIGHT = 0.08  # of a colored word, as a share of the largest
LEGEND = (
    "Words underlined in blue make a text more similar, those dotted in orange less; the stronger "
    "the color, the larger the contribution; the tables show numbers. Only words whose 95 % "
    "interval over the repeats excludes 0 are colored."
)


@dataclasses.dataclass(frozen=True)
class Explanations:
    """Explained reviews and recommendations of a data set.

    Attributes:
        against: embedding of the item that reviews are compared with.
    """

    dataset: str
    against: str
    reviews: list[ReviewExplanation]
    recommendations: list[RecommendationExplanation]


def write_explanations(explanations: Explanations, folder: Path) -> list[Path]:
    """Writes `explanations.json` and `explanations.html`."""
    document = explanation_document(explanations)
    page = render_page(document.title, [document])
    return write_texts(
        {folder / f"{NAME}.json": to_json(explanations), folder / f"{NAME}.html": page}
    )


def explanation_document(explanations: Explanations, limit: int | None = None) -> Document:
    """Explained recommendations, then reviews, at most `limit` of them."""
    shown: list[list[Block]] = [
        *map(_recommendation_blocks, explanations.recommendations),
        *map(_review_blocks, explanations.reviews),
    ]
    blocks: list[Block] = [block for explanation in shown[:limit] for block in explanation]
    against = f"Reviews are compared with the {explanations.against} embedding of their item. "
    return Document(
        f"Explanations on {explanations.dataset}",
        [against * bool(explanations.reviews) + LEGEND, *blocks],
    )


def terminal_tables(explanations: Explanations) -> list[TerminalTable]:
    """The tables of the document, for the terminal."""
    title, tables = "", []
    for block in explanation_document(explanations).blocks:
        if isinstance(block, Heading):
            title = block.text
        elif isinstance(block, Table):
            tables.append(block.terminal(block.summary or title))
    return tables


def colored_text(explanation: TextExplanation) -> ColoredText:
    """The text with its words colored by contribution."""
    words = {word.word: word for word in explanation.words}
    largest = max((abs(word.mean) for word in explanation.words), default=0.0) or 1.0
    spans = []
    for piece in re.split(r"(\W+)", explanation.text):
        word = words.get(piece.lower())
        value = 0.0
        if word is not None and (word.is_significant or explanation.n_repeats == 1):
            value = word.mean / largest
        if word is None or abs(value) < LEAST_WEIGHT:
            spans.append(Span(piece))
        else:
            spans.append(Span(piece, value, f"{word.mean:+.4f} ± {word.half_width:.4f}"))
    return ColoredText(spans)


def _recommendation_blocks(explanation: RecommendationExplanation) -> list[Block]:
    """The parts of the score, and the words that support it."""
    pair = f"{explanation.item_id} for {explanation.user_id}"
    blocks: list[Block] = [
        Heading(f"{pair}: score {explanation.score:.3f}, rank {explanation.rank}"),
        "The numbers add up to the score. By neighbors: what an item adds because its reviews "
        "share words with those of the recommended item.",
        _history_table(explanation),
    ]
    evidence = {"the user's own": explanation.by_user, "the item's": explanation.about_item}
    for whose, reviews in evidence.items():
        none = f"The training data has none of {whose} reviews."
        blocks.append(f"Words of {whose} reviews:" if reviews else none)
        for review in reviews:
            blocks += _review_blocks(review)
    return blocks


def _history_table(explanation: RecommendationExplanation) -> Table:
    rows = [
        [item.item_id, *(f"{x:+.3f}" for x in (item.total, item.text, item.graph, item.nearness))]
        for item in explanation.history[:N_HISTORY]
    ]
    others = explanation.history[N_HISTORY:]
    totals = {"own reviews and embedding": explanation.own, "popularity": explanation.popularity}
    if others:
        totals = {f"{len(others):,} further items": sum(item.total for item in others)} | totals
    rows += [[name, f"{total:+.3f}", "", "", ""] for name, total in totals.items()]
    return Table(["item of the user", "adds", "by text", "by graph", "by neighbors"], rows)


def _review_blocks(review: ReviewExplanation) -> list[Block]:
    """The colored text, and its words of the largest contributions; significant ones have a bar."""
    explanation, rows = review.words, []
    for word in explanation.words[:N_WORDS]:
        length = math.ceil(10 * abs(word.mean) / abs(explanation.words[0].mean or 1.0))
        bar = ("▲" if word.mean > 0 else "▼") * length if word.is_significant else ""
        rows.append([word.word, bar, f"{word.mean:+.4f}", number(word.half_width)])
    title = (
        f"review {review.row}: {review.user_id} on {review.item_id}, similarity "
        f"{explanation.score:.3f}, fit R² {explanation.fit:.2f}"
    )
    words = Table(["word", "", "contribution", "±"], rows, n_words=2, summary=title)
    return [colored_text(explanation), words]
