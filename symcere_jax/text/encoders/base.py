"""The interfaces of text encoders."""

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
    """The n reviews of a data set."""

    texts: Sequence[str]  # those of authors who are no users come last
    user: np.ndarray  # int32 [n], row of the author; −1: no user
    item: np.ndarray  # int32 [n]
    is_train: np.ndarray  # bool [n]; nothing is fitted on, or aggregated from, other reviews
    n_users: int
    n_items: int

    @property
    def n_own(self) -> int:
        """Number of reviews by users, which come first."""
        return int((self.user >= 0).sum())


@dataclasses.dataclass(frozen=True)
class TextFeatures:
    """Text features."""

    reviews: np.ndarray  # float16 [n_own, width], of all reviews by users, also held-out ones
    users: np.ndarray  # float32 [n_users, width], of training reviews; 0 without any
    items: np.ndarray  # float32 [n_items, width], of training reviews; 0 without any
    settings: Mapping[str, Any]  # of the encoder, for the manifest
    fitted: "FittedTextEncoder | None" = None  # for further texts; None: there is none

    @classmethod
    def from_rows(
        cls,
        rows: np.ndarray,
        reviews: Reviews,
        settings: Mapping[str, Any],
        fitted: "FittedTextEncoder | None" = None,
    ) -> "TextFeatures":
        """Features whose users and items have the mean of their training reviews.

        Args:
            rows: float `[n, width]`, features of all reviews.
            reviews: the n reviews.
            settings: of the encoder.
            fitted: for further texts.
        """
        users, items = (
            owner_means(rows, reviews.is_train & (owner >= 0), owner, n)
            for owner, n in ((reviews.user, reviews.n_users), (reviews.item, reviews.n_items))
        )
        return cls(rows[: reviews.n_own], users, items, settings, fitted)


class FittedTextEncoder(abc.ABC):
    """Encodes further texts as the reviews of a prepared folder were encoded."""

    kind: ClassVar[str]  # names the class in the files of an encoder
    width: int  # of the features

    @abc.abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts, like the rows of `reviews.npy`.

        Returns:
            float32 `[n, width]`; 0 for a text without known words.
        """

    @abc.abstractmethod
    def encode_documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """Features of users or items, like the rows of `users.npy` and `items.npy`.

        Args:
            documents: for each, the texts of its training reviews, in the order of the reviews.

        Returns:
            float32 `[n, width]`; 0 without any text.
        """

    def unknown_words(self, text: str) -> list[str]:
        """Distinct words of a text that its features do not depend on, without stop words."""
        return []

    def use_cache(self, folder: Path) -> None:  # noqa: B027  most encoders are fast
        """Makes language models cache their vectors in a folder from now on.

        Raises:
            DataError: the cache cannot be made or read.
        """

    @abc.abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the files that `load_text_encoder` reads into an empty folder."""


class TextEncoder(Protocol):
    """Turns reviews into features, fitted on the training reviews only."""

    @property
    def name(self) -> str:
        """Names the folder of the features."""

    def encode(
        self, reviews: Reviews, announce: MessageCallback = lambda stage: None
    ) -> TextFeatures:
        """Fits on the training reviews and encodes all reviews.

        Args:
            reviews: with held-out ones.
            announce: called with a few words at the start of each stage.

        Raises:
            DataError: no features can be made of these reviews.
        """
