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
    """A score, taken apart exactly: it is the sum of all parts.

    A user's embedding is a sum over the items of the history and the user's own features, and a
    score is linear in it, so that each has a share that can be named.

    Attributes:
        user_id: external id.
        item_id: external id.
        score: of the user for the item.
        history: items that the user interacted with in training, with their shares of the score,
            the largest first.
        own: share of the user's own reviews and learned features.
        popularity: share of the item's popularity.
    """

    user_id: str
    item_id: str
    score: float
    history: list[ScoredItem]
    own: float
    popularity: float
