"""Running a text encoder over reviews that lie on disk."""

import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from symcere_jax.callbacks import MessageCallback
from symcere_jax.prepare.encode.stored_texts import StoredTexts
from symcere_jax.prepare.encode.text_settings import TextSettings
from symcere_jax.prepare.select import splitting
from symcere_jax.prepare.select.selection import Selection
from symcere_jax.text import (
    CombinedEncoder,
    LsaEncoder,
    PrecomputedEncoder,
    Reviews,
    TextEncoder,
    TextFeatures,
    TransformerEncoder,
)


def configured_encoder(
    config: TextSettings, scratch: Path, *, seed: int, folder: Path
) -> TextEncoder | None:
    """The encoder that the settings name.

    Args:
        config: the settings.
        scratch: folder for what does not fit into memory.
        seed: of what is random.
        folder: the prepared folder, of which ids are read when it is time to encode.
    """
    cache = Path(config.text_cache).expanduser() if config.text_cache else None
    encoders: list[TextEncoder] = []
    for name in config.text_encoder_parts:
        encoder: TextEncoder
        if name == LsaEncoder.name:
            encoder = LsaEncoder(
                width=config.text_width,
                seed=seed,
                scratch=scratch,
            )
        elif name == TransformerEncoder.name:
            encoder = TransformerEncoder(
                config.text_model,
                bfloat16=config.text_bfloat16,
                prefix=config.text_prefix,
                tokens_per_device=config.text_batch_tokens,
                cache=cache,
                scratch=scratch,
                count=ReviewBar(),
            )
        else:
            encoder = PrecomputedEncoder(config.text_embeddings, folder, scratch)
        encoders.append(encoder)
    if len(encoders) > 1:
        return CombinedEncoder(tuple(encoders), scratch)
    return encoders[0] if encoders else None


def encode(
    texts: StoredTexts,
    selection: Selection,
    split: np.ndarray,
    encoder: TextEncoder,
    announce: MessageCallback,
) -> TextFeatures:
    """Encodes the texts; the encoder is told which reviews it may learn from.

    Args:
        texts: of the reviews, in the order of the selection.
        selection: the reviews.
        split: int8 `[n_reviews]`, an index into `schema.SPLITS`.
        encoder: of the texts.
        announce: called with the encoder's name and a few words at the start of each stage.

    Returns:
        Features of reviews, users and items.
    """
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


class ReviewBar:
    """Shows how many reviews are encoded, how many a second, and the time that is left.

    Where stderr is no terminal, it is shown twice a minute.
    """

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __call__(self, done: int, total: int) -> None:
        """Moves the bar."""
        if self._bar is None:
            live = sys.stderr.isatty()
            self._bar = tqdm(
                initial=done,  # what the cache has would count as fast
                total=total,
                unit=" reviews",
                file=sys.stderr,
                dynamic_ncols=live,
                mininterval=0.1 if live else 30,
                maxinterval=10 if live else 60,
            )
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()
            self._bar = None
