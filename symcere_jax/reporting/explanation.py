"""Explanations of texts and recommendations: JSON, a coloured HTML page, text for the terminal."""

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

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.explain.lime_words import WordContributions
from symcere_jax.explain.recommendation import Neighbor, RecommendationExplanation, ReviewEvidence
from symcere_jax.reporting.files import write_files
from symcere_jax.reporting.html import page

N_WORDS = 12
N_NEIGHBORS = 10
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


@dataclasses.dataclass(frozen=True)
class Named:
    """External ids by row.

    Attributes:
        users: `[n_users]`.
        items: `[n_items]`.
    """

    users: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, dataset: ReviewDataset) -> "Named":
        """Those of a prepared folder."""
        return cls(dataset.user_ids(), dataset.item_ids())

    def neighbor(self, neighbor: Neighbor) -> str:
        """Kind and id of a node."""
        names = self.users if neighbor.kind == "user" else self.items
        return f"{neighbor.kind} {names[neighbor.row]}"


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
        {"review": one.row, "user": one.user, "item": one.item, "against": one.against}
        | words_content(one.words)
        for one in alignments
    ]
    title = f"Why reviews align with their items: {dataset}"
    return _write(
        folder, {"dataset": dataset, "reviews": content}, title, alignments_html(alignments)
    )


def recommendation_content(one: RecommendationExplanation, named: Named) -> dict[str, Any]:
    """A recommendation for JSON."""

    def evidence(reviews: Sequence[ReviewEvidence]) -> list[dict[str, Any]]:
        return [
            {
                "review": review.row,
                "user": str(named.users[review.user]),
                "item": str(named.items[review.item]),
            }
            | words_content(review.words)
            for review in reviews
        ]

    return {
        "user": str(named.users[one.user]),
        "item": str(named.items[one.item]),
        "score": one.score,
        "rank": one.rank,
        "popularity": one.popularity,
        "neighbors": [
            {
                "kind": neighbor.kind,
                "id": named.neighbor(neighbor).partition(" ")[2],
                "steps": neighbor.steps,
                "graph": neighbor.graph,
                "text": neighbor.text,
            }
            for neighbor in one.neighbors[:100]
        ],
        "by_user": evidence(one.by_user),
        "about_item": evidence(one.about_item),
    }


def recommendation_html(one: RecommendationExplanation, named: Named) -> str:
    """Where the score comes from, and the words that speak for it."""
    user, item = html.escape(str(named.users[one.user])), html.escape(str(named.items[one.item]))
    rows = "".join(
        f"<tr><td>{html.escape(named.neighbor(neighbor))}</td><td>{neighbor.steps}</td>"
        f"<td>{neighbor.text:+.3f}</td><td>{neighbor.graph:+.3f}</td>"
        f"<td>{neighbor.total:+.3f}</td></tr>"
        for neighbor in one.neighbors[:N_NEIGHBORS]
    )
    rest = sum(neighbor.total for neighbor in one.neighbors[N_NEIGHBORS:])
    n_rest = max(len(one.neighbors) - N_NEIGHBORS, 0)
    sections = [
        f"<p>Item {item} for user {user}: score <b>{one.score:.3f}</b>, rank {one.rank}.</p>",
        "<h2>Which neighbours in the graph</h2><p>Message passing is linear: these numbers add up "
        "to the score. Steps: how far a node is from the user.</p>"
        '<div class="scroll"><table><thead><tr><th>node</th><th>steps</th><th>by text</th>'
        f"<th>by graph</th><th>together</th></tr></thead><tbody>{rows}"
        f"<tr><td>{n_rest:,} further nodes</td><td></td><td></td><td></td><td>{rest:+.3f}</td></tr>"
        f"<tr><td>popularity prior</td><td></td><td></td><td></td><td>{one.popularity:+.3f}</td>"
        "</tr></tbody></table></div>",
        LEGEND,
    ]
    for title, reviews in (
        ("Which words of the user's own reviews", one.by_user),
        ("Which words of the item's reviews", one.about_item),
    ):
        sections.append(f"<h2>{title}</h2>")
        for review in reviews:
            sections.append(
                f"<h3>{html.escape(str(named.users[review.user]))} on "
                f"{html.escape(str(named.items[review.item]))}: similarity "
                f"{review.words.score:.3f}, fit R² {review.words.fit:.2f}</h3>"
                + words_html(review.words)
            )
        if not reviews:
            sections.append("<p>There are none in the training data.</p>")
    return "".join(sections)


def recommendation_tables(one: RecommendationExplanation, named: Named) -> list[Table]:
    """The same for the terminal."""
    title = f"{named.items[one.item]} for {named.users[one.user]}: score {one.score:.3f}, "
    neighbors = Table(
        "node", "steps", "by text", "by graph", title=escape(title + f"rank {one.rank}")
    )
    for neighbor in one.neighbors[:N_NEIGHBORS]:
        neighbors.add_row(
            escape(named.neighbor(neighbor)),
            str(neighbor.steps),
            f"{neighbor.text:+.3f}",
            f"{neighbor.graph:+.3f}",
        )
    neighbors.add_row("popularity prior", "", "", f"{one.popularity:+.3f}")
    return [
        neighbors,
        *(
            words_table(
                review.words, f"{whose}: {named.users[review.user]} on {named.items[review.item]}"
            )
            for whose, reviews in (("by the user", one.by_user), ("of the item", one.about_item))
            for review in reviews
        ),
    ]


def write_recommendations(
    explanations: Sequence[RecommendationExplanation], named: Named, folder: Path, dataset: str
) -> list[Path]:
    """Writes `explanations.json` and `explanations.html`.

    Args:
        explanations: of recommendations.
        named: external ids.
        folder: where to; made if it is missing.
        dataset: name of the data set, for the title.
    """
    content = [recommendation_content(one, named) for one in explanations]
    body = "".join(recommendation_html(one, named) for one in explanations)
    title = f"Why this is recommended: {dataset}"
    return _write(folder, {"dataset": dataset, "recommendations": content}, title, body)


def _write(folder: Path, content: dict[str, Any], title: str, body: str) -> list[Path]:
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
