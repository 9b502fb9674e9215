"""What a text encoder takes and gives."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from symcere_jax.callbacks import MessageCallback
from symcere_jax.text.encoders.rows import owner_means


@dataclasses.dataclass(frozen=True)
class Reviews:
    """The reviews of a data set, as a text encoder sees them; arrays are `[n_reviews]`."""

    texts: Sequence[str]  # last, those of authors who are no users
    user: np.ndarray  # int32, row of the user who wrote it; −1: no user
    item: np.ndarray  # int32, row of the item that it is about
    is_train: np.ndarray  # nothing may be fitted on, or aggregated from, other reviews
    n_users: int
    n_items: int

    @property
    def n_own(self) -> int:
        """Number of reviews by users, which come first."""
        return int((np.asarray(self.user) >= 0).sum())

    @property
    def own(self) -> "Reviews":
        """The reviews by users alone."""
        n = self.n_own
        return dataclasses.replace(
            self,
            texts=self.texts if n == len(self.texts) else self.texts[:n],
            user=self.user[:n],
            item=self.item[:n],
            is_train=self.is_train[:n],
        )


@dataclasses.dataclass(frozen=True)
class TextFeatures:
    """What a text encoder made of the reviews: float32 rows of `width` columns."""

    reviews: np.ndarray  # a row a review by a user, held-out ones too
    users: np.ndarray  # from each user's training reviews; 0 without any
    items: np.ndarray  # from each item's training reviews; 0 without any
    settings: Mapping[str, Any]  # what the manifest states, besides width and dtype
    fitted: "FittedTextEncoder | None" = None  # encodes further texts as these, if it can

    @classmethod
    def from_rows(
        cls,
        rows: np.ndarray,
        reviews: Reviews,
        settings: Mapping[str, Any],
        fitted: "FittedTextEncoder | None" = None,
    ) -> "TextFeatures":
        """Features of which users and items have the mean of their training reviews."""
        users, items = (
            owner_means(rows, np.asarray(reviews.is_train) & (owner >= 0), owner, n)
            for owner, n in (
                (np.asarray(reviews.user), reviews.n_users),
                (np.asarray(reviews.item), reviews.n_items),
            )
        )
        return cls(rows[: reviews.n_own], users, items, settings, fitted)

    def described(self) -> dict[str, Any]:
        """What the manifest states of the encoder."""
        width, dtype = self.reviews.shape[1], str(self.reviews.dtype)
        return {**self.settings, "width": width, "dtype": dtype}


class FittedTextEncoder(abc.ABC):
    """Encodes any texts the way in which the reviews of a prepared folder were encoded."""

    kind: ClassVar[str]  # names the class in the files of an encoder
    width: int  # of the features

    @abc.abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts, each by itself, as the rows of `reviews.npy` are made.

        float32 `[n, width]`; 0 for a text without anything that the encoder knows.
        """

    @abc.abstractmethod
    def encode_documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """Features of users or items, as the rows of `users.npy` and `items.npy` are made.

        A document holds the texts of all training reviews of one, in the order of the stored
        reviews. float32 `[n, width]`; 0 without any text.
        """

    def unknown_words(self, text: str) -> list[str]:
        """Distinct words of a text that add nothing to its features, in the text's order.

        Common words, which no features are made of, are not among them. A language model reads any
        word by its parts.
        """
        return []

    @abc.abstractmethod
    def save(self, folder: Path) -> None:
        """Writes what `load_text_encoder` needs into a folder that exists and is empty."""


class TextEncoder(Protocol):
    """Turns reviews into features, fitted on the training reviews alone."""

    @property
    def name(self) -> str:
        """Names the folder of the features."""

    def encode(self, reviews: Reviews, *, progress: MessageCallback | None = None) -> TextFeatures:
        """Fits on the training reviews and encodes all of them."""
