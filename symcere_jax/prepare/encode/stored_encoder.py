"""The text encoder that a prepared folder keeps, over reviews that were added to it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import ReviewDataset
from symcere_jax.prepare.write.columns_on_disk import NpyFile
from symcere_jax.text import (
    FittedTextEncoder,
    Reviews,
    TextFeatures,
    keep_vectors,
    load_text_encoder,
)

_BLOCK = 1 << 10


class StoredEncoder:
    """Encodes reviews by a fitted encoder instead of fitting one; a `TextEncoder`.

    Args:
        dataset: the prepared folder that keeps the encoder.
        name: of the encoder; None: the first of the folder.
        scratch: folder for the features, which are then mapped; None: in memory.
        cache: folder of the vectors of language models; None: the scratch folder.

    Raises:
        DataError: the folder keeps none, or one that cannot encode further texts.
    """

    def __init__(
        self,
        dataset: ReviewDataset,
        name: str | None = None,
        scratch: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        self.name = name or next(iter(dataset.manifest.text_encoders))
        settings = dict(dataset.manifest.text_encoders[self.name])
        self._settings = {k: v for k, v in settings.items() if k not in ("width", "dtype")}
        self._fitted: FittedTextEncoder = load_text_encoder(dataset, self.name)
        self._scratch, self._cache = scratch, cache

    def encode(self, reviews: Reviews, *, progress: MessageCallback | None = None) -> TextFeatures:
        """Encodes all reviews, and users and items by their training reviews.

        Args:
            reviews: texts, their users, items and splits.
            progress: called with a few words at the start of each stage.
        """
        say = progress or (lambda stage: None)
        cache = self._cache or (self._scratch and self._scratch / "vectors")
        if cache is not None:
            keep_vectors(self._fitted, cache)
        train = np.flatnonzero(reviews.is_train)
        features = {}
        for name, of_review, n in (
            ("users", np.asarray(reviews.user)[train], reviews.n_users),
            ("items", np.asarray(reviews.item)[train], reviews.n_items),
        ):
            say(f"encoding {name}")
            documents = _documents(reviews.texts, train, of_review, n)
            features[name] = self._gather(name, map(self._fitted.encode_documents, documents))
        say("encoding reviews")
        blocks = (reviews.texts[s : s + _BLOCK] for s in range(0, len(reviews.texts), _BLOCK))
        alone = self._gather("reviews", map(self._fitted.encode_texts, blocks))
        return TextFeatures(
            alone, features["users"], features["items"], self._settings, self._fitted
        )

    def _gather(self, rows: str, parts: Iterator[np.ndarray]) -> np.ndarray:
        if self._scratch is None:
            return np.concatenate([np.zeros((0, self._fitted.width), np.float32), *parts])
        path = self._scratch / f"{rows}_features.npy"
        with NpyFile(path, np.float32, (self._fitted.width,)) as file:
            for part in parts:
                file.append(part)
        return np.load(path, mmap_mode="r+", allow_pickle=False)


def _documents(
    texts: Sequence[str], train: np.ndarray, owner: np.ndarray, n_owners: int
) -> Iterator[list[list[str]]]:
    """The training texts of each owner, some owners at a time, in the order of the reviews."""
    order = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner, minlength=n_owners))
    for start in range(0, n_owners, _BLOCK):
        block: list[list[str]] = []
        for row in range(start, min(start + _BLOCK, n_owners)):
            places: Any = train[order[(ends[row - 1] if row else 0) : ends[row]]]
            block.append([texts[int(place)] for place in places])
        yield block
