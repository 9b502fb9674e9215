"""Why an item is recommended: the parts of its score."""

import dataclasses
import html
from typing import NamedTuple


class ScoredItem(NamedTuple):
    """An item, by its external id, and its score; scores are comparable within one ranking."""

    item_id: str
    score: float


@dataclasses.dataclass(frozen=True, repr=False)
class Explanation:
    """A score as an exact sum of its parts (see `models/decomposition.py`), shown as a table.

    Attributes:
        user_id: external id.
        item_id: external id.
        score: of the user for the item.
        history: items that the user interacted with in training, with what each adds to the
            score, the largest first.
        own: what the user's own reviews and learned embedding add.
        popularity: what the item's popularity adds.
    """

    user_id: str
    item_id: str
    score: float
    history: list[ScoredItem]
    own: float
    popularity: float

    def _rows(self) -> list[tuple[str, float]]:
        """Names and numbers of the parts."""
        history = [(f"interaction with {item}", share) for item, share in self.history]
        return [*history, ("own reviews and embedding", self.own), ("popularity", self.popularity)]

    def __repr__(self) -> str:
        """The parts, a line each."""
        title = f"score of {self.item_id} for {self.user_id}"
        rows = [(title, self.score), *self._rows()]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {number:8.4f}" for name, number in rows)

    def _repr_html_(self) -> str:
        """The parts as a table, for notebooks."""
        title = html.escape(f"score of {self.item_id} for {self.user_id}")
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{number:.4f}</td></tr>"
            for name, number in self._rows()
        )
        return f"<table><tr><th>{title}</th><th>{self.score:.4f}</th></tr>{rows}</table>"
