"""Conditioning of text features: centring, partial whitening, fewer dimensions.

Vectors of language models lie in a narrow cone, and few directions, which are those of style and
mood, hold most of their variance (Ethayarajh, EMNLP 2019; Su et al., arXiv 2103.15316). With the
mean μ, the covariance `Σ = V diag(λ) Vᵀ` and a strength α, a vector x becomes

    diag((λ / λ₁)^(−α/2)) Vᵀ (x − μ)

cut to the first dimensions, and is divided by its norm.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import MessageCallback
from symcere_jax.data.dataset import load_array
from symcere_jax.text.encoders.base import (
    FittedTextEncoder,
    Reviews,
    TextEncoder,
    TextFeatures,
)
from symcere_jax.text.encoders.feature_rows import collect_rows

_BLOCK = 1 << 14
# Directions of less variance, as a share of the first one's, hold rounding: they are left out.
_LEAST_VARIANCE = 1e-6
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class Conditioning:
    """What is done to text features.

    Attributes:
        center: subtract the mean of the items.
        whiten: α from 0, where variances stay as they are, to 1, where all become equal.
        width: dimensions kept, of the greatest variance; 0: all.
    """

    center: bool = False
    whiten: float = 0.0
    width: int = 0

    @property
    def is_on(self) -> bool:
        """Whether it changes anything."""
        return self != Conditioning()


@dataclasses.dataclass(frozen=True)
class ConditionedEncoder:
    """Another encoder, with conditioned features, fitted on the items' training reviews.

    Attributes:
        encoder: the other one.
        conditioning: what is done to its features.
        scratch: folder for the features of reviews, which are then mapped; None: in memory.
    """

    encoder: TextEncoder
    conditioning: Conditioning
    scratch: Path | None = None

    @property
    def name(self) -> str:
        """That of the encoder."""
        return self.encoder.name

    def encode(self, reviews: Reviews, *, progress: MessageCallback | None = None) -> TextFeatures:
        """Encodes, fits on the features of items, and conditions all features.

        Args:
            reviews: texts, their users, items and splits.
            progress: called with a few words at the start of each stage.
        """
        features = self.encoder.encode(reviews, progress=progress)
        if progress:
            progress("conditioning")
        mean, matrix = fit_conditioning(features.items, self.conditioning)
        path = self.scratch / f"{self.name}_conditioned.npy" if self.scratch else None
        rows = features.reviews
        blocks = (
            apply_conditioning(rows[start : start + _BLOCK], mean, matrix)
            for start in range(0, len(rows), _BLOCK)
        )
        fitted = features.fitted
        return TextFeatures(
            reviews=collect_rows(blocks, len(rows), matrix.shape[1], path),
            users=apply_conditioning(features.users, mean, matrix),
            items=apply_conditioning(features.items, mean, matrix),
            settings={
                **features.settings,
                "encoder_width": features.items.shape[1],
                "conditioning": dataclasses.asdict(self.conditioning),
            },
            fitted=None if fitted is None else FittedConditioned(fitted, mean, matrix),
        )


class FittedConditioned:
    """A fitted encoder with conditioned features; see `FittedTextEncoder`.

    Args:
        encoder: the one whose features are conditioned.
        mean: float32 `[width of the encoder]`.
        matrix: float32 `[width of the encoder, width]`.
    """

    kind = "conditioned"

    def __init__(self, encoder: FittedTextEncoder, mean: np.ndarray, matrix: np.ndarray) -> None:
        self.encoder = encoder
        self._mean, self._matrix = mean, matrix

    @property
    def width(self) -> int:
        """Width of the features."""
        return self._matrix.shape[1]

    @property
    def reads_text(self) -> bool:
        """Whether the encoder within does."""
        return self.encoder.reads_text

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts, each by itself; see `FittedTextEncoder`."""
        return apply_conditioning(self.encoder.encode_texts(texts), self._mean, self._matrix)

    def encode_documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """Features of users or items; see `FittedTextEncoder`."""
        rows = self.encoder.encode_documents(documents)
        return apply_conditioning(rows, self._mean, self._matrix)

    def unknown_words(self, text: str) -> list[str]:
        """What the encoder within does not know; see `FittedTextEncoder`."""
        return self.encoder.unknown_words(text)

    def save(self, folder: Path) -> None:
        """Writes its own arrays into a folder that exists; not the encoder within."""
        np.save(folder / "mean.npy", self._mean)
        np.save(folder / "matrix.npy", self._matrix)

    @classmethod
    def load(cls, folder: Path, encoder: FittedTextEncoder) -> "FittedConditioned":
        """Reads what `save` wrote.

        Args:
            folder: where.
            encoder: the one within.

        Raises:
            DataError, ValueError: a file is missing or malformed.
        """
        mean, matrix = (load_array(folder / f"{name}.npy") for name in ("mean", "matrix"))
        if matrix.ndim != 2 or mean.shape != (encoder.width,) or len(matrix) != encoder.width:
            raise ValueError(f"mean {mean.shape} and matrix {matrix.shape} do not fit")
        return cls(encoder, mean, matrix)


def fit_conditioning(rows: np.ndarray, conditioning: Conditioning) -> tuple[np.ndarray, np.ndarray]:
    """The mean μ and the matrix `V diag((λ / λ₁)^(−α/2))`.

    Args:
        rows: float `[n, width]`, to be fitted on; rows of 0, which stand for no text, do not count.
        conditioning: what is wanted.

    Returns:
        μ, float32 `[width]`, and the matrix, float32 `[width, kept]`, where kept is at most the
        rank of the rows; the identity where they do not vary.
    """
    # Of equal length, as they will be compared: a long row would count for more.
    rows = unit_rows(np.asarray(rows)[np.any(np.asarray(rows) != 0, axis=1)]).astype(np.float64)
    centre = conditioning.center and len(rows)
    mean = rows.mean(axis=0) if centre else np.zeros(rows.shape[1])
    centred = rows - mean
    is_turned = conditioning.whiten or conditioning.width
    if not is_turned or not (np.abs(centred) > _ROUNDING).any():
        return mean.astype(np.float32), np.eye(rows.shape[1], dtype=np.float32)
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
    variances, vectors = variances[::-1], vectors[:, ::-1]
    # Signs are arbitrary, and differ between machines: the largest number is made positive.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(vectors))])
    kept = int((variances > _LEAST_VARIANCE * variances[0]).sum())
    kept = max(min(kept, conditioning.width or kept), 1)
    scale = (variances[:kept] / variances[0]) ** (-conditioning.whiten / 2)
    return mean.astype(np.float32), (vectors[:, :kept] * scale).astype(np.float32)


def apply_conditioning(rows: np.ndarray, mean: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rows as `(x / |x| − μ) M`, divided by their norm; rows of 0 stay 0.

    Args:
        rows: float `[n, width]`.
        mean: μ, float32 `[width]`.
        matrix: M, float32 `[width, kept]`.

    Returns:
        float32 `[n, kept]`.
    """
    has_text = np.any(rows != 0, axis=1, keepdims=True)
    return unit_rows(((unit_rows(rows) - mean) @ matrix) * has_text)
