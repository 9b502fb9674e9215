"""The check that text features come from training reviews only.

The features are made anew, by the encoder and the settings that the manifest names, from reviews
whose held-out texts have been erased. Whatever a held-out text had added would then be missing.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.preparation.encode.stored_encoder import StoredEncoder
from symcere_jax.preparation.encode.stored_reviews import stored_reviews
from symcere_jax.text import LsaEncoder, TextEncoder

# Of the length of a row. Another machine rounds otherwise; a leaked review changes far more.
_TOLERANCE = 1e-2


def check_text_leaks(dataset: ReviewDataset) -> Iterator[str]:
    """No text feature of a user or an item owes anything to a held-out review."""
    train = dataset.interactions("train")
    for encoder, settings in dataset.manifest.text_encoders.items():
        for place, rows in enumerate(("users", "items")):
            features = dataset.text_features(encoder, rows)
            n_reviews = np.bincount(train[:, place], minlength=len(features))
            if rows == "items":
                n_reviews += dataset.extra_counts()
            n_leaked = int(np.any(features[n_reviews == 0] != 0, axis=1).sum())
            if n_leaked:
                yield f"{encoder}: {n_leaked} {rows} have features, but no training review"
        if settings.get("encoder", encoder) == LsaEncoder.name:
            yield from _check_again(dataset, encoder, dict(settings))


def _check_again(dataset: ReviewDataset, name: str, settings: dict) -> Iterator[str]:
    for entry in ("dtype", "n_terms", "encoder"):
        settings.pop(entry, None)
    with tempfile.TemporaryDirectory() as folder:
        encoder: TextEncoder
        try:
            encoder = LsaEncoder(**settings, scratch=Path(folder))
            if dataset.manifest.source.get("appended"):  # encoded by what was fitted before
                encoder = StoredEncoder(dataset, name)
        except TypeError as error:
            raise DataError(f"{dataset.folder}: unknown settings of lsa ({error})") from None
        dataset.file(schema.REVIEWS)  # is whole
        with stored_reviews(
            dataset.folder, dataset.n_users, dataset.n_items, Path(folder), erase_held_out=True
        ) as reviews:
            anew = encoder.encode(reviews)
        for rows in ("users", "items"):
            stored = np.asarray(dataset.text_features(name, rows))
            made = getattr(anew, rows)
            distance = np.linalg.norm(stored - made, axis=1)
            n_other = int((distance > _TOLERANCE * (1e-3 + np.linalg.norm(made, axis=1))).sum())
            if n_other:
                yield (
                    f"{name}: features of {n_other} {rows} are not those of the training "
                    "reviews alone"
                )
