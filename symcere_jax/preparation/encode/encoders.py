"""The text encoder that the settings name."""

import sys
from pathlib import Path

from tqdm import tqdm

from symcere_jax.preparation.encode.text_settings import TextSettings
from symcere_jax.text import (
    CombinedEncoder,
    LsaEncoder,
    PrecomputedEncoder,
    TextEncoder,
    TransformerEncoder,
)


def configured_encoder(settings: TextSettings, scratch: Path, folder: Path) -> TextEncoder | None:
    """The encoder that the settings name; None: no text is encoded.

    What does not fit into memory goes to `scratch`. `folder` is the prepared folder, whose ids are
    read when it is time to encode.
    """
    encoders: list[TextEncoder] = []
    for name in settings.text_encoder_parts:
        encoder: TextEncoder
        if name == LsaEncoder.name:
            encoder = LsaEncoder(width=settings.text_width, seed=settings.seed, scratch=scratch)
        elif name == TransformerEncoder.name:
            encoder = TransformerEncoder(
                settings.text_model or "",
                bfloat16=settings.text_bfloat16,
                prefix=settings.text_prefix,
                tokens_per_device=settings.text_batch_tokens or 0,
                cache=settings.cache_folder,
                scratch=scratch,
                ray_address=settings.ray_address,
                count=ReviewBar(),
            )
        else:
            encoder = PrecomputedEncoder(settings.text_embeddings, folder, scratch)
        encoders.append(encoder)
    if len(encoders) > 1:
        return CombinedEncoder(tuple(encoders), scratch)
    return encoders[0] if encoders else None


class ReviewBar:
    """A bar of the number of encoded reviews, the speed and the time that is left.

    Where stderr is no terminal, a line appears twice a minute.
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
