"""Running a text encoder over reviews that lie on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_prep import splitting
from data_prep.config import PrepareConfig
from data_prep.selection import Selection
from data_prep.stored_texts import StoredTexts
from symcere_jax.text.encoder import Reviews, TextEncoder, TextFeatures
from symcere_jax.text.lsa import LsaEncoder


def configured_encoder(config: PrepareConfig, scratch: Path) -> TextEncoder | None:
    """The encoder that the settings name.

    Args:
        config: the settings.
        scratch: folder for what does not fit into memory.
    """
    if config.text_encoder == "none":
        return None
    return LsaEncoder(width=config.text_width, seed=config.seed, scratch=scratch)


def encode(
    texts: StoredTexts,
    selection: Selection,
    split: np.ndarray,
    encoder: TextEncoder,
    announce: Callable[[str], None],
) -> TextFeatures:
    """Encodes the texts; the encoder is told which reviews it may learn from."""
    return encoder.encode(
        Reviews(
            texts=texts,
            user=selection.user,
            item=selection.item,
            is_train=split == splitting.TRAIN,
            n_users=selection.n_users,
            n_items=selection.n_items,
        ),
        progress=lambda stage: announce(f"{encoder.name}: {stage}"),
    )
