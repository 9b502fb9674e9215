"""The text encoder that a prepared folder keeps, applied to reviews that were added to it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import ReviewDataset
from symcere_jax.text import (
    FittedTextEncoder,
    Reviews,
    TextFeatures,
    keep_vectors,
    load_text_encoder,
)

_BLOCK = 1 << 10


def stored_encoders(
    dataset: ReviewDataset, scratch: Path | None = None, cache: Path | None = None
) -> "list[StoredEncoder]":
    """All text encoders that a prepared folder keeps."""
    return [StoredEncoder(dataset, name, scratch, cache) for name in dataset.manifest.text_encoders]


class StoredEncoder:
    """Encodes reviews by a fitted encoder instead of fitting one; a `TextEncoder`.

    Args:
        dataset: the prepared folder that keeps the encoder.
        name: of the encoder.
        scratch: folder for the features, which are then mapped; None: in memory.
        cache: folder of the vectors of language models; None: the scratch folder.

    Raises:
        DataError: the folder keeps none, or one that cannot encode further texts.
    """

    def __init__(
        self,
        dataset: ReviewDataset,
        name: str,
        scratch: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        self.name = name
        settings = dict(dataset.manifest.text_encoders[name])
        self._settings = {k: v for k, v in settings.items() if k not in ("width", "dtype")}
        self._fitted: FittedTextEncoder = load_text_encoder(dataset, name)
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
        for rows, owner, n in (
            ("users", np.asarray(reviews.user)[train], reviews.n_users),
            ("items", np.asarray(reviews.item)[train], reviews.n_items),
        ):
            say(f"encoding {rows}")
            documents = _documents(reviews.texts, train, owner, n)
            features[rows] = self._collect(rows, n, map(self._fitted.encode_documents, documents))
        say("encoding reviews")
        n = len(reviews.texts)
        blocks = (reviews.texts[start : start + _BLOCK] for start in range(0, n, _BLOCK))
        features["reviews"] = self._collect("reviews", n, map(self._fitted.encode_texts, blocks))
        return TextFeatures(**features, settings=self._settings, fitted=self._fitted)

    def _collect(self, rows: str, n: int, parts: Iterator[np.ndarray]) -> np.ndarray:
        """Joins blocks of n rows in all."""
        if self._scratch is None:
            return np.concatenate([np.zeros((0, self._fitted.width), np.float32), *parts])
        path = self._scratch / f"{rows}_features.npy"
        # Written rather than mapped: mapped pages that change stay in memory.
        with path.open("wb") as file:
            shape = (n, self._fitted.width)
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for part in parts:
                file.write(np.ascontiguousarray(part, np.float32).data)
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
