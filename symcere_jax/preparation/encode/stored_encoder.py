"""The text encoder that a prepared folder keeps, applied to reviews that were added to it."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import ReviewDataset
from symcere_jax.text import FittedTextEncoder, Reviews, TextFeatures, load_text_encoder
from symcere_jax.text.encoders.rows import collect_rows

_BLOCK = 1 << 10


class StoredEncoder:
    """Encodes reviews by an encoder that a prepared folder keeps; a `TextEncoder`.

    Args:
        dataset: the prepared folder.
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

    def encode(
        self, reviews: Reviews, announce: MessageCallback = lambda stage: None
    ) -> TextFeatures:
        """Encodes all reviews, and users and items by their training reviews."""
        cache = self._cache or (self._scratch and self._scratch / "vectors")
        if cache is not None:
            self._fitted.use_cache(cache)

        width, scratch = self._fitted.width, self._scratch

        def collect(rows: str, n: int, blocks: Iterator[np.ndarray], dtype: type) -> np.ndarray:
            announce(f"encoding {rows}")
            return collect_rows(blocks, n, width, scratch, f"{rows}_features", dtype)

        features = {}
        for kind, owner in (("user", reviews.user), ("item", reviews.item)):
            n = getattr(reviews, f"n_{kind}s")
            train = np.flatnonzero(reviews.is_train & (owner >= 0))
            documents = _documents(reviews.texts, train, owner[train], n)
            encoded = map(self._fitted.encode_documents, documents)
            features[f"{kind}s"] = collect(f"{kind}s", n, encoded, np.float32)
        n = reviews.n_own
        texts = (reviews.texts[start : min(start + _BLOCK, n)] for start in range(0, n, _BLOCK))
        encoded = map(self._fitted.encode_texts, texts)
        features["reviews"] = collect("reviews", n, encoded, np.float16)
        return TextFeatures(**features, settings=self._settings, fitted=self._fitted)


def _documents(
    texts: Sequence[str], train: np.ndarray, owner: np.ndarray, n_owners: int
) -> Iterator[list[list[str]]]:
    """The training texts of each owner, some owners at a time, in the order of the reviews."""
    order = np.argsort(owner, kind="stable")
    places = train[order]
    starts = np.searchsorted(owner[order], np.arange(n_owners + 1))
    for start in range(0, n_owners, _BLOCK):
        bounds = itertools.pairwise(starts[start : start + _BLOCK + 1])
        yield [[texts[int(place)] for place in places[first:end]] for first, end in bounds]
