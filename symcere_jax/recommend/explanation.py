"""Why an item is recommended: a score as the sum of what it comes from."""

import dataclasses
from typing import NamedTuple


class ScoredItem(NamedTuple):
    """An item and its score.

    Attributes:
        item_id: external id.
        score: what it is ranked by; comparable within one ranking.
    """

    item_id: str
    score: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A score as an exact sum of its parts (see `models/decomposition.py`).

    Attributes:
        user_id: external id.
        item_id: external id.
        score: of the user for the item.
        history: items that the user interacted with in training, with what each adds to the
            score, the largest first.
        own: what the user's own reviews and learned features add.
        popularity: what the item's popularity adds.
    """

    user_id: str
    item_id: str
    score: float
    history: list[ScoredItem]
    own: float
    popularity: float
