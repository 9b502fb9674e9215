"""Review texts by a language model: one vector a review, their mean for users and items."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from symcere_jax.callbacks import CountCallback, MessageCallback
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.text.encoders.base import Reviews, TextFeatures
from symcere_jax.text.encoders.cache import VectorCache
from symcere_jax.text.encoders.rows import collect_rows, owner_means
from symcere_jax.text.hub import (
    SentenceEncoder,
    fingerprint,
    model_folder,
    vector_width,
)

_BLOCK_TEXTS = 1 << 13
_SETTINGS = "settings.json"


@dataclasses.dataclass(frozen=True)
class TransformerEncoder:
    """Encodes reviews by a pretrained language model; nothing is fitted.

    Attributes:
        model: folder of the model, or its name on the hub.
        bfloat16: compute in bfloat16: half the memory, and on accelerators twice the speed.
        prefix: stands before each review; None: what the model's own folder says.
        tokens_per_device: most tokens of a batch on a device; 0: what suits the device.
        cache: folder of vectors of earlier runs; None: none.
        scratch: folder for the features of reviews, which are then mapped; None: in memory.
        count: called with the number of reviews that are done, and of all, while it goes on.
    """

    model: str
    bfloat16: bool = False
    prefix: str | None = None
    tokens_per_device: int = 0
    cache: Path | None = None
    scratch: Path | None = None
    count: CountCallback = lambda done, total: None

    name = "transformer"

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError(
                "--text_encoder=transformer needs --text_model: the folder of a model, or its name "
                "on the hub, as sentence-transformers/all-MiniLM-L6-v2"
            )

    def encode(self, reviews: Reviews, *, progress: MessageCallback | None = None) -> TextFeatures:
        """Encodes all reviews; the vector of a user or an item is the mean of training reviews.

        Args:
            reviews: texts, their users, items and splits.
            progress: called with a few words at the start of each stage.

        Raises:
            DataError: the model is missing or of an unknown kind, or the cache cannot be written.
        """
        say = progress or (lambda stage: None)
        say(f"reading {self.model}")
        folder = model_folder(self.model)
        width = vector_width(folder)
        fitted = FittedTransformer(
            self.model, fingerprint(folder), width, self.bfloat16, self.prefix,
            self.tokens_per_device,
        )  # fmt: skip
        say(f"encoding {len(reviews.texts):,} reviews")
        path = self.scratch / f"{self.name}_reviews.npy" if self.scratch else None
        rows = collect_rows(
            self._blocks(reviews.texts, fitted), len(reviews.texts), fitted.width, path
        )
        users, items = (
            owner_means(rows, np.asarray(reviews.is_train), np.asarray(owner), n)
            for owner, n in ((reviews.user, reviews.n_users), (reviews.item, reviews.n_items))
        )
        return TextFeatures(rows, users, items, fitted.settings(), fitted)

    def _blocks(self, texts: Sequence[str], fitted: "FittedTransformer") -> Iterator[np.ndarray]:
        """Vectors of consecutive texts; what the cache has is not encoded."""
        n_done = 0

        def count(n: int) -> None:
            nonlocal n_done
            n_done += n
            self.count(n_done, len(texts))

        cache = None
        if self.cache is not None:
            cache = VectorCache(self.cache / fitted.cache_name, fitted.width)
        for start in range(0, len(texts), _BLOCK_TEXTS):
            yield fitted.encode_block(texts[start : start + _BLOCK_TEXTS], cache, count)


class FittedTransformer:
    """Encodes any texts by a language model; see `FittedTextEncoder`.

    The model is read when the first text is encoded. Its files are not copied.

    Args:
        model: folder of the model, or its name on the hub.
        model_fingerprint: of the files of the model.
        width: of a vector.
        bfloat16: compute in bfloat16.
        prefix: stands before each text; None: what the model's own folder says.
        tokens_per_device: most tokens of a batch on a device; 0: what suits the device.
    """

    kind = "transformer"
    reads_text = True

    def __init__(
        self,
        model: str,
        model_fingerprint: str,
        width: int,
        bfloat16: bool = False,
        prefix: str | None = None,
        tokens_per_device: int = 0,
    ) -> None:
        self._model, self._fingerprint, self._width = model, model_fingerprint, width
        self._bfloat16, self._prefix = bfloat16, prefix
        self._tokens_per_device = tokens_per_device
        self._cache: VectorCache | None = None

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return self._width

    @property
    def cache_name(self) -> str:
        """Identifies all that a vector depends on, besides the text."""
        settings = json.dumps([self._fingerprint, self._bfloat16, self._prefix])
        return hashlib.sha256(settings.encode()).hexdigest()[:32]

    @functools.cached_property
    def sentence_encoder(self) -> SentenceEncoder:
        """The model.

        Raises:
            DataError: it is missing, or no longer the one that it was.
        """
        folder = model_folder(self._model)
        if fingerprint(folder) != self._fingerprint:
            raise DataError(
                f"{self._model} is not the model that the text features were made by (its files "
                "have changed); prepare the data again"
            )
        return SentenceEncoder(
            folder,
            bfloat16=self._bfloat16,
            prefix=self._prefix,
            tokens_per_device=self._tokens_per_device,
        )

    def settings(self) -> dict[str, str | bool | None]:
        """What the manifest states of it."""
        return {
            "model": self._model,
            "fingerprint": self._fingerprint,
            "bfloat16": self._bfloat16,
            "prefix": self._prefix,
        }

    def encode_as_done(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As `encode_texts`, batch by batch; see `SentenceEncoder`. No text needs no model."""
        if texts:
            yield from self.sentence_encoder.encode_as_done(texts)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts, each by itself; see `FittedTextEncoder`."""
        return self.encode_block(texts, self._cache)

    def encode_block(
        self,
        texts: Sequence[str],
        cache: VectorCache | None,
        count: Callable[[int], None] = lambda n: None,
    ) -> np.ndarray:
        """Vectors of texts; what the cache has is not encoded, and what is encoded it gets.

        Args:
            texts: n texts.
            cache: of this encoder; None: none.
            count: called with the number of texts that are done, as they are.

        Returns:
            float32 `[n, width]`.
        """
        texts = list(texts)
        missing = list(range(len(texts))) if cache is None else cache.missing(texts)
        count(len(texts) - len(missing))
        vectors = np.zeros((len(texts), self._width), np.float32)
        wanted = [texts[place] for place in missing]
        try:
            for places, found in self.encode_as_done(wanted):
                vectors[np.array(missing)[places]] = found
                if cache is not None:
                    cache.add([wanted[place] for place in places], found)
                count(len(places))
        finally:
            if cache is not None:
                cache.save()
        return vectors if cache is None else cache.get(texts)

    def use_cache(self, folder: Path) -> None:
        """Keeps vectors from now on, and takes those of earlier runs.

        Args:
            folder: of caches, one an encoder.

        Raises:
            DataError: it cannot be made or read.
        """
        self._cache = VectorCache(folder / self.cache_name, self._width)

    def encode_documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """Vectors of users or items, the mean of their reviews; see `FittedTextEncoder`."""
        rows = self.encode_texts([text for texts in documents for text in texts])
        owner = np.repeat(np.arange(len(documents)), [len(texts) for texts in documents])
        return owner_means(rows, np.ones(len(rows), bool), owner, len(documents))

    def unknown_words(self, text: str) -> list[str]:
        """None: a language model reads any word by its parts; see `FittedTextEncoder`."""
        return []

    def save(self, folder: Path) -> None:
        """Writes which model it is into a folder that exists."""
        content = self.settings() | {"width": self._width}
        (folder / _SETTINGS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "FittedTransformer":
        """Reads what `save` wrote.

        Raises:
            OSError, ValueError, LookupError, TypeError: the file is missing or malformed.
        """
        content = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        return cls(
            str(content["model"]),
            str(content["fingerprint"]),
            int(content["width"]),
            bool(content["bfloat16"]),
            content["prefix"],
        )
