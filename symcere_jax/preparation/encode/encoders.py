"""The text encoder that the settings name."""

from pathlib import Path

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
            )
        else:
            encoder = PrecomputedEncoder(settings.text_embeddings, folder, scratch)
        encoders.append(encoder)
    if len(encoders) > 1:
        return CombinedEncoder(tuple(encoders), scratch)
    return encoders[0] if encoders else None
