"""Settings of the text encoder; each is a flag of `prepare.py` and of `encode.py`."""

import dataclasses
from pathlib import Path

from symcere_jax.errors import ConfigError
from symcere_jax.fields import SettingsBase, setting
from symcere_jax.settings import NONE

TEXT_ENCODERS = ("lsa", "transformer", "precomputed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSettings(SettingsBase):
    """Which text encoder, and its settings."""

    text_encoder: str = setting(
        "lsa",
        f"what encodes texts: {', '.join(TEXT_ENCODERS)}, several as lsa+transformer, or none",
    )
    text_width: int = setting(256, "width of the lsa features", minimum=1)
    text_model: str | None = setting(
        None, "language model for transformer: a folder, or a name on the Hugging Face Hub"
    )
    text_prefix: str | None = setting(
        None, 'text to put before each review, such as "passage: "; default: that of the model'
    )
    text_bfloat16: bool = setting(False, "run the language model in bfloat16")
    text_batch_tokens: int | None = setting(
        None,
        "tokens in a batch of the language model per device; default: what suits the device",
        minimum=1,
    )
    text_cache: Path | None = setting(
        Path("~/.cache/symcere_jax/text"),
        "folder that caches encoded reviews for the next run and after an interrupt; empty: no "
        "cache",
    )
    text_embeddings: Path | None = setting(
        None,
        "vectors for precomputed: .parquet with item_id (vectors of items), user_id (of users) or "
        "both (of reviews), and embedding; or .npy in the order of reviews.parquet",
    )
    ray_address: str | None = setting(
        None,
        "run the language model on the Ray cluster at this address, such as auto or host:port; "
        "local starts one on this machine. All machines need access to the prepared folder",
    )

    seed: int = setting(0, "seed of everything random", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = self.text_encoder_parts
        known = f"must be {NONE}, or of {', '.join(TEXT_ENCODERS)}, joined by +"
        fits = set(parts) <= set(TEXT_ENCODERS) and len(set(parts)) == len(parts)
        if not fits:
            raise ConfigError(f"--text_encoder is {self.text_encoder!r}, {known}")
        for encoder, flag in (
            ("transformer", "text_model"),
            ("transformer", "ray_address"),
            ("precomputed", "text_embeddings"),
        ):
            if getattr(self, flag) and encoder not in parts:
                raise ConfigError(
                    f"--{flag} is given, but --text_encoder={self.text_encoder} does not use it"
                )

    @property
    def text_encoder_parts(self) -> list[str]:
        """The encoders that are joined; none for `none`."""
        return [] if self.text_encoder == NONE else self.text_encoder.split("+")

    @property
    def cache_folder(self) -> Path | None:
        """Folder of encoded reviews; None: they are not kept."""
        return self.text_cache and self.text_cache.expanduser()
