"""The check that text features come from training reviews only.

The features are made anew, by the encoder and the settings that the manifest names, from reviews
whose held-out texts have been erased. Whatever a held-out text had added would then be missing.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_prep.stored_encoder import StoredEncoder
from data_prep.stored_texts import StoredTexts, TextWriter
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.text.encoder import Reviews, TextEncoder
from symcere_jax.text.lsa import LsaEncoder

# Of the length of a row. Another machine rounds otherwise; a leaked review changes far more.
_TOLERANCE = 1e-2


def check_text_leaks(dataset: ReviewDataset) -> Iterator[str]:
    """No text feature of a user or an item owes anything to a held-out review."""
    train = dataset.interactions("train")
    for encoder, settings in dataset.manifest.text_encoders.items():
        for place, rows in enumerate(("users", "items")):
            features = dataset.text_features(encoder, rows)
            n_reviews = np.bincount(train[:, place], minlength=len(features))
            n_leaked = int(np.any(features[n_reviews == 0] != 0, axis=1).sum())
            if n_leaked:
                yield f"{encoder}: {n_leaked} {rows} have features, but no training review"
        if encoder == LsaEncoder.name:
            yield from _check_again(dataset, dict(settings))


def _check_again(dataset: ReviewDataset, settings: dict) -> Iterator[str]:
    for name in ("dtype", "n_terms"):
        settings.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        encoder: TextEncoder
        try:
            encoder = LsaEncoder(**settings, scratch=Path(folder))
            if dataset.manifest.source.get("appended"):  # encoded by what was fitted before
                encoder = StoredEncoder(dataset)
        except TypeError as error:
            raise DataError(f"{dataset.folder}: unknown settings of lsa ({error})") from None
        with _erased_texts(dataset, Path(folder)) as texts:
            anew = encoder.encode(_reviews(dataset, texts))
        for rows in ("users", "items"):
            stored = np.asarray(dataset.text_features(encoder.name, rows))
            made = getattr(anew, rows)
            distance = np.linalg.norm(stored - made, axis=1)
            n_other = int((distance > _TOLERANCE * (1e-3 + np.linalg.norm(made, axis=1))).sum())
            if n_other:
                yield (
                    f"{encoder.name}: features of {n_other} {rows} are not those of the training "
                    "reviews alone"
                )


@contextlib.contextmanager
def _erased_texts(dataset: ReviewDataset, folder: Path) -> Iterator[StoredTexts]:
    """The texts of the training reviews; empty ones in the place of those that are held out."""
    with TextWriter(folder / "texts") as writer:
        for batch in _batches(dataset, ["split", "text"]):
            is_train = pc.equal(batch.column("split"), "train")
            text = batch.column("text").cast(pa.large_string())
            writer.append(pc.if_else(is_train, text, pa.scalar("", pa.large_string())))
        with contextlib.closing(writer.open()) as texts:
            yield texts


def _reviews(dataset: ReviewDataset, texts: StoredTexts) -> Reviews:
    columns: dict[str, list[np.ndarray]] = {"user": [], "item": [], "is_train": []}
    for batch in _batches(dataset, ["user", "item", "split"]):
        for name in ("user", "item"):
            columns[name].append(batch.column(name).to_numpy())
        is_train = pc.equal(batch.column("split"), "train")
        columns["is_train"].append(is_train.to_numpy(zero_copy_only=False))
    return Reviews(
        texts=texts,
        **{name: np.concatenate(parts) for name, parts in columns.items()},
        n_users=dataset.n_users,
        n_items=dataset.n_items,
    )


def _batches(dataset: ReviewDataset, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(dataset.folder / schema.REVIEWS) as file:
        yield from file.iter_batches(1 << 16, columns=columns)
