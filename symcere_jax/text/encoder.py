"""What a text encoder takes and gives."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

Progress = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Reviews:
    """The reviews of a data set, as a text encoder sees them.

    Attributes:
        texts: the review texts, `n_reviews` of them.
        user: int32 `[n_reviews]`, row of the user who wrote it.
        item: int32 `[n_reviews]`, row of the item that it is about.
        is_train: bool `[n_reviews]`; nothing may be fitted on, or aggregated from, other reviews.
        n_users: number of users.
        n_items: number of items.
    """

    texts: Sequence[str]
    user: np.ndarray
    item: np.ndarray
    is_train: np.ndarray
    n_users: int
    n_items: int


@dataclasses.dataclass(frozen=True)
class TextFeatures:
    """What a text encoder made of the reviews.

    Attributes:
        reviews: float32 `[n_reviews, width]`, a row a review, held-out ones too.
        users: float32 `[n_users, width]`, from each user's training reviews; 0 without any.
        items: float32 `[n_items, width]`, from each item's training reviews; 0 without any.
        settings: what the manifest states of the encoder, besides width and dtype.
    """

    reviews: np.ndarray
    users: np.ndarray
    items: np.ndarray
    settings: Mapping[str, Any]


class TextEncoder(Protocol):
    """Turns reviews into features, fitted on the training reviews alone."""

    name: str

    def encode(self, reviews: Reviews, *, progress: Progress | None = None) -> TextFeatures:
        """Fits on the training reviews and encodes all of them.

        Args:
            reviews: texts, their users, items and splits.
            progress: called with a few words at the start of each stage.
        """
        ...
