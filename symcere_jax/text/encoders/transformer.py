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

    model: str  # its folder, or its name on the hub
    bfloat16: bool = False  # half the memory, and on accelerators twice the speed
    prefix: str | None = None  # stands before each review; None: what the model's folder says
    tokens_per_device: int = 0  # most tokens of a batch on a device; 0: what suits the device
    cache: Path | None = None  # folder of vectors of earlier runs
    scratch: Path | None = None  # as in LsaEncoder
    ray_address: str | None = None  # of a cluster that encodes; its machines share model and texts
    count: CountCallback = lambda done, total: None  # of reviews, while it runs

    name = "transformer"

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError(
                "--text_encoder=transformer needs --text_model: the folder of a model, or its name "
                "on the hub, as sentence-transformers/all-MiniLM-L6-v2"
            )

    def encode(self, reviews: Reviews, *, progress: MessageCallback | None = None) -> TextFeatures:
        """Encodes all reviews; the vector of a user or an item is the mean of training reviews.

        Raises:
            DataError: the model is missing or of an unknown kind, or the cache cannot be written.
        """
        say = progress or (lambda stage: None)
        say(f"reading {self.model}")
        folder = model_folder(self.model)
        width = vector_width(folder)
        options = self.bfloat16, self.prefix, self.tokens_per_device
        fitted = FittedTransformer(self.model, fingerprint(folder), width, *options)
        if self.cache is not None:
            fitted.use_cache(self.cache)
        n = len(reviews.texts)
        say(f"encoding {n:,} reviews")
        if self.ray_address:
            work = functools.partial(_encode_block, fitted, reviews.texts, _BLOCK_TEXTS)
            blocks = map_on_ray(work, range(0, n, _BLOCK_TEXTS), self.ray_address)
        else:
            blocks = self._blocks(reviews.texts, fitted)
        rows = collect_rows(blocks, n, width, self.scratch, f"{self.name}_reviews")
        return TextFeatures.from_rows(rows, reviews, fitted.settings(), fitted)

    def _blocks(self, texts: Sequence[str], fitted: "FittedTransformer") -> Iterator[np.ndarray]:
        n_done = 0

        def count(n: int) -> None:
            nonlocal n_done
            n_done += n
            self.count(n_done, len(texts))

        for start in range(0, len(texts), _BLOCK_TEXTS):
            yield fitted.encode_texts(texts[start : start + _BLOCK_TEXTS], count)


def _encode_block(
    fitted: "FittedTransformer", texts: Sequence[str], size: int, start: int
) -> np.ndarray:
    return fitted.encode_texts(texts[start : start + size])


@dataclasses.dataclass
class FittedTransformer(FittedTextEncoder):
    """Encodes any texts by a language model, with settings as those of `TransformerEncoder`.

    The model is read when the first text is encoded. Its files are not copied; the fingerprint
    tells whether they are still the same.
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
            DataError: it is missing, or no longer the one that it was.
        """
        folder = model_folder(self.model)
        if fingerprint(folder) != self.fingerprint:
            raise DataError(
                f"{self.model} is not the model that the text features were made by (its files "
                "have changed); prepare the data again"
            )
        return SentenceEncoder(
            folder,
            bfloat16=self.bfloat16,
            prefix=self.prefix,
            tokens_per_device=self.tokens_per_device,
        )

    def settings(self) -> dict[str, str | bool | None]:
        """What the manifest states of it."""
        names = ("model", "fingerprint", "bfloat16", "prefix")
        return {name: getattr(self, name) for name in names}

    def encode_texts(
        self, texts: Sequence[str], count: Callable[[int], None] = lambda n: None
    ) -> np.ndarray:
        """Vectors of texts, float32 `[n, width]`; none of equal or cached ones is encoded again.

        `count` is called with the number of texts that are newly done.
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
        """Keeps vectors from now on, and takes those of earlier runs.

        Raises:
            DataError: it cannot be made or read.
        """
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
        """Reads what `save` wrote, which model it is."""
        return cls(**json.loads((folder / _SETTINGS).read_text(encoding="utf-8")))
