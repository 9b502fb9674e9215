"""Text features by a language model: a vector per review, and their means."""

import dataclasses
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from symcere_jax.callbacks import MessageCallback
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.ray_data import map_on_ray
from symcere_jax.text.encoders.base import FittedTextEncoder, Reviews, TextFeatures
from symcere_jax.text.encoders.cache import VectorCache
from symcere_jax.text.encoders.rows import collect_rows, owner_means
from symcere_jax.text.hub import SentenceEncoder, fingerprint, model_folder, vector_width

_BLOCK_TEXTS = 1 << 13
_SETTINGS = "settings.json"


@dataclasses.dataclass(frozen=True)
class TransformerEncoder:
    """Encodes reviews by a pretrained language model; nothing is fitted."""

    model: str  # a folder, or a name on the Hub
    bfloat16: bool = False  # half the memory, and twice the speed on accelerators
    prefix: str | None = None  # precedes each review; None: the one in the model's folder
    tokens_per_device: int = 0  # most tokens of a batch on a device; 0: what suits the device
    cache: Path | None = None  # folder of cached vectors
    scratch: Path | None = None  # as in `LsaEncoder`
    ray_address: str | None = None  # of a Ray cluster, whose machines share model and texts

    name = "transformer"

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError(
                "--text_encoder=transformer needs --text_model: the folder of a model, or its name "
                "on the hub, such as sentence-transformers/all-MiniLM-L6-v2"
            )

    def encode(
        self, reviews: Reviews, announce: MessageCallback = lambda stage: None
    ) -> TextFeatures:
        """Encodes all reviews; users and items get the mean of their training reviews.

        Args:
            reviews: with held-out ones.
            announce: called with a few words at the start of each stage.

        Raises:
            DataError: the model is missing or not supported, or the cache cannot be written.
        """
        announce(f"reading {self.model}")
        folder = model_folder(self.model)
        width = vector_width(folder)
        options = self.bfloat16, self.prefix, self.tokens_per_device
        fitted = FittedTransformer(self.model, fingerprint(folder), width, *options)
        if self.cache is not None:
            fitted.use_cache(self.cache)
        n = len(reviews.texts)
        announce(f"encoding {n:,} reviews")
        if self.ray_address:
            work = functools.partial(_encode_block, fitted, reviews.texts, _BLOCK_TEXTS)
            blocks = map_on_ray(work, range(0, n, _BLOCK_TEXTS), self.ray_address)
        else:
            blocks = self._blocks(reviews.texts, fitted)
        rows = collect_rows(blocks, n, width, self.scratch, f"{self.name}_reviews", np.float16)
        return TextFeatures.from_rows(rows, reviews, fitted.settings(), fitted)

    def _blocks(self, texts: Sequence[str], fitted: "FittedTransformer") -> Iterator[np.ndarray]:
        live = sys.stderr.isatty()  # else a line appears twice a minute
        with tqdm(
            total=len(texts), unit=" reviews", dynamic_ncols=live,
            mininterval=0.1 if live else 30, maxinterval=10 if live else 60,
        ) as bar:  # fmt: skip
            for start in range(0, len(texts), _BLOCK_TEXTS):
                yield fitted.encode_texts(texts[start : start + _BLOCK_TEXTS], bar.update)


def _encode_block(
    fitted: "FittedTransformer", texts: Sequence[str], size: int, start: int
) -> np.ndarray:
    return fitted.encode_texts(texts[start : start + size])


@dataclasses.dataclass
class FittedTransformer(FittedTextEncoder):
    """Encodes texts by a language model, with the settings of `TransformerEncoder`.

    The model is read when the first text is encoded. Its files are not copied; the fingerprint
    tells whether they have changed.
    """

    model: str
    fingerprint: str
    width: int
    bfloat16: bool = False
    prefix: str | None = None
    tokens_per_device: int = 0

    kind = "transformer"
    _cache: VectorCache | None = dataclasses.field(default=None, init=False)

    @functools.cached_property
    def sentence_encoder(self) -> SentenceEncoder:
        """The model.

        Raises:
            DataError: it is missing, or has changed.
        """
        folder = model_folder(self.model)
        if fingerprint(folder) != self.fingerprint:
            raise DataError(
                f"{self.model} has changed since the text features were made; prepare the data "
                "again"
            )
        return SentenceEncoder(
            folder,
            bfloat16=self.bfloat16,
            prefix=self.prefix,
            tokens_per_device=self.tokens_per_device,
        )

    def settings(self) -> dict[str, str | bool | None]:
        """Settings for the manifest."""
        names = ("model", "fingerprint", "bfloat16", "prefix")
        return {name: getattr(self, name) for name in names}

    def encode_texts(
        self, texts: Sequence[str], count: Callable[[int], object] = lambda n: None
    ) -> np.ndarray:
        """Vectors of texts; equal and cached ones are not encoded again.

        Args:
            texts: n of them.
            count: called with numbers of texts that are done, which add up to n.

        Returns:
            float32 `[n, width]`.
        """
        vectors = self._cache.get(texts) if self._cache else {}
        missing = [text for text in dict.fromkeys(texts) if text not in vectors]
        count(len(texts) - len(missing))
        # Without a text, the model is not read.
        for places, rows in self.sentence_encoder.encode_as_done(missing) if missing else ():
            done = [missing[place] for place in places]
            vectors.update(zip(done, rows, strict=True))
            if self._cache:
                self._cache.add(done, rows)
            count(len(places))
        return np.array([vectors[text] for text in texts], np.float32).reshape(-1, self.width)

    def use_cache(self, folder: Path) -> None:
        settings = json.dumps([self.fingerprint, self.bfloat16, self.prefix])
        name = hashlib.sha256(settings.encode()).hexdigest()[:32]
        self._cache = VectorCache(folder / name, self.width)

    def encode_documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        rows = self.encode_texts([text for texts in documents for text in texts])
        owner = np.repeat(np.arange(len(documents)), [len(texts) for texts in documents])
        return owner_means(rows, np.ones(len(rows), bool), owner, len(documents))

    def save(self, folder: Path) -> None:
        content = self.settings() | {"width": self.width}
        (folder / _SETTINGS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "FittedTransformer":
        """Reads the file of `save`."""
        return cls(**json.loads((folder / _SETTINGS).read_text(encoding="utf-8")))
