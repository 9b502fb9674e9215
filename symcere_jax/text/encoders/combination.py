"""Several text encoders side by side."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import MessageCallback
from symcere_jax.text.encoders.base import FittedTextEncoder, Reviews, TextEncoder, TextFeatures
from symcere_jax.text.encoders.rows import collect_rows

_BLOCK = 1 << 14


@dataclasses.dataclass(frozen=True)
class CombinedEncoder:
    """Features of p encoders side by side.

    Row r is `[u_1, …, u_p] / √p`, where u_i is the unit row of encoder i: an inner product is the
    mean of the cosines of the parts.
    """

    encoders: tuple[TextEncoder, ...]
    scratch: Path | None = None  # as in `LsaEncoder`

    @property
    def name(self) -> str:
        """Names of the parts, such as `lsa+transformer`."""
        return "+".join(encoder.name for encoder in self.encoders)

    def encode(
        self, reviews: Reviews, announce: MessageCallback = lambda stage: None
    ) -> TextFeatures:
        """Encodes by each encoder in turn."""
        parts = [encoder.encode(reviews, announce) for encoder in self.encoders]
        n = len(parts[0].reviews)
        width = sum(part.reviews.shape[1] for part in parts)
        blocks = (
            join([part.reviews[start : start + _BLOCK] for part in parts])
            for start in range(0, n, _BLOCK)
        )
        fitted = [part.fitted for part in parts if part.fitted is not None]
        return TextFeatures(
            reviews=collect_rows(
                blocks, n, width, self.scratch, f"{self.name}_reviews", np.float16
            ),
            users=join([part.users for part in parts]),
            items=join([part.items for part in parts]),
            settings={
                encoder.name: dict(part.settings)
                for encoder, part in zip(self.encoders, parts, strict=True)
            },
            fitted=FittedCombined(fitted) if len(fitted) == len(parts) else None,
        )


class FittedCombined(FittedTextEncoder):
    """Fitted encoders side by side."""

    kind = "combined"

    def __init__(self, encoders: Sequence[FittedTextEncoder]) -> None:
        self.encoders = list(encoders)

    @property
    def width(self) -> int:  # type: ignore[override]
        return sum(encoder.width for encoder in self.encoders)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return join([encoder.encode_texts(texts) for encoder in self.encoders])

    def encode_documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        return join([encoder.encode_documents(documents) for encoder in self.encoders])

    def use_cache(self, folder: Path) -> None:
        for encoder in self.encoders:
            encoder.use_cache(folder)

    def unknown_words(self, text: str) -> list[str]:
        first, *others = (encoder.unknown_words(text) for encoder in self.encoders)
        return [word for word in first if all(word in other for other in others)]

    def save(self, folder: Path) -> None:
        """Writes nothing: `save_text_encoder` stores the parts."""


def join(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Unit rows of p parts side by side, divided by √p: float32 `[n, sum of widths]`."""
    return np.concatenate([unit_rows(part) for part in parts], axis=1) / np.float32(
        math.sqrt(len(parts))
    )
