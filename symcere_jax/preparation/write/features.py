"""The text features of a prepared folder."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import schema
from symcere_jax.text import Reviews, TextEncoder, TextFeatures, save_text_encoder


def encode_into(
    folder: Path, name: str, encoder: TextEncoder, reviews: Reviews, announce: MessageCallback
) -> dict[str, Any]:
    """Encodes reviews, writes the features under a name, and returns what the manifest states."""
    features = encoder.encode(reviews, progress=lambda stage: announce(f"{encoder.name}: {stage}"))
    write_features(folder, name, features)
    described = features.described()
    return described if name == encoder.name else {**described, "encoder": encoder.name}


def write_features(folder: Path, name: str, features: TextFeatures) -> None:
    """Writes the features of reviews, users and items, and the encoder that made them.

    The files of arrays that are mapped whole are moved.
    """
    (folder / schema.TEXT_FOLDER / name).mkdir(parents=True)
    for rows in ("reviews", "users", "items"):
        array = getattr(features, rows)
        path = folder / schema.text_file(name, rows)
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            array.flush()
            Path(array.filename).replace(path)
        else:
            np.save(path, array)
    if features.fitted is not None:
        save_text_encoder(features.fitted, (folder / schema.text_model_file(name)).parent)
