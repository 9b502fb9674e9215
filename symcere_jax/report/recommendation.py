"""Explanations of recommendations: JSON, an HTML page, tables for the terminal."""

import dataclasses
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.explain.recommendation import Neighbor, RecommendationExplanation, ReviewEvidence
from symcere_jax.report.explanation import (
    LEGEND,
    words_content,
    words_html,
    words_table,
    write_explanations,
)

N_NEIGHBORS = 10


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
        return f"{neighbor.kind} {self._names(neighbor.kind)[neighbor.row]}"

    def row_of(self, kind: str, wanted: str) -> int:
        """Row of an id.

        Args:
            kind: "user" or "item".
            wanted: the id.

        Raises:
            DataError: it is unknown.
        """
        names = self._names(kind)
        rows = np.flatnonzero(names == wanted)
        if not len(rows):
            raise DataError(
                f"the prepared folder has no {kind} {wanted!r}; its ids look like {names[0]!r}"
            )
        return int(rows[0])

    def _names(self, kind: str) -> np.ndarray:
        return self.users if kind == "user" else self.items


def recommendation_content(one: RecommendationExplanation, named: Named) -> dict[str, Any]:
    """A recommendation for JSON."""

    def evidence(reviews: Sequence[ReviewEvidence]) -> list[dict[str, Any]]:
        return [
            {
                "review": review.row,
                "user_id": str(named.users[review.user]),
                "item_id": str(named.items[review.item]),
            }
            | words_content(review.words)
            for review in reviews
        ]

    return {
        "user_id": str(named.users[one.user]),
        "item_id": str(named.items[one.item]),
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
                "nearness": neighbor.nearness,
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
        f"<td>{neighbor.nearness:+.3f}</td>"
        f"<td>{neighbor.total:+.3f}</td></tr>"
        for neighbor in one.neighbors[:N_NEIGHBORS]
    )
    rest = sum(neighbor.total for neighbor in one.neighbors[N_NEIGHBORS:])
    n_rest = max(len(one.neighbors) - N_NEIGHBORS, 0)
    sections = [
        f"<p>Item {item} for user {user}: score <b>{one.score:.3f}</b>, rank {one.rank}.</p>",
        "<h2>Which neighbours in the graph</h2><p>Message passing is linear: these numbers add up "
        "to the score. Steps: how far a node is from the user. By nearness: what one of the "
        "user's items adds for being much like this one.</p>"
        '<div class="scroll"><table><thead><tr><th>node</th><th>steps</th><th>by text</th>'
        f"<th>by graph</th><th>by nearness</th><th>together</th></tr></thead><tbody>{rows}"
        f"<tr><td>{n_rest:,} further nodes</td>{'<td></td>' * 4}<td>{rest:+.3f}</td></tr>"
        f"<tr><td>popularity prior</td>{'<td></td>' * 4}<td>{one.popularity:+.3f}</td>"
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
        "node",
        "steps",
        "by text",
        "by graph",
        "by nearness",
        title=escape(title + f"rank {one.rank}"),
    )
    for neighbor in one.neighbors[:N_NEIGHBORS]:
        neighbors.add_row(
            escape(named.neighbor(neighbor)),
            str(neighbor.steps),
            f"{neighbor.text:+.3f}",
            f"{neighbor.graph:+.3f}",
            f"{neighbor.nearness:+.3f}",
        )
    neighbors.add_row("popularity prior", "", "", f"{one.popularity:+.3f}", "")
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


def write_recommendation_explanations(
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
    return write_explanations(folder, {"dataset": dataset, "recommendations": content}, title, body)
