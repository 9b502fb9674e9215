"""The settings of text encoders; each is a flag of `prepare.py` and of `encode.py`."""

import dataclasses
from pathlib import Path

from symcere_jax.errors import ConfigError
from symcere_jax.fields import SettingsBase, setting
from symcere_jax.settings import NONE

TEXT_ENCODERS = ("lsa", "transformer", "precomputed")


def check(holds: bool, flag: str, value: object, expected: str) -> None:
    """Raises ConfigError unless a value is as expected."""
    if not holds:
        raise ConfigError(f"--{flag} is {value}, {expected}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSettings(SettingsBase):
    """Which text encoder, and how; see the text beside each setting."""

    text_encoder: str = setting(
        "lsa",
        f"Makes features of texts: {', '.join(TEXT_ENCODERS)}, several as lsa+transformer, or "
        "none.",
    )
    text_width: int = setting(256, "Width of the features of lsa.")
    text_model: str = setting(
        "", "Language model of transformer: a folder, or a name on the Hugging Face hub."
    )
    text_prefix: str | None = setting(
        None, 'Stands before each review for the model, as "passage: "; default: what it says.'
    )
    text_bfloat16: bool = setting(False, "Run the language model in bfloat16.")
    text_batch_tokens: int = setting(
        0, "Tokens that the language model takes at once on a device; 0: what suits the device."
    )
    text_cache: str = setting(
        "~/.cache/symcere_jax/text",
        "Folder where encoded reviews are kept, for the next run and after an interrupt; empty: "
        "nowhere.",
    )
    text_embeddings: Path | None = setting(
        None,
        "Vectors for precomputed: .npy in the order of reviews.parquet, or .parquet with user_id, "
        "item_id and embedding.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = self.text_encoder_parts
        known = f"must be {NONE}, or of {', '.join(TEXT_ENCODERS)}, joined by +"
        fits = set(parts) <= set(TEXT_ENCODERS) and len(set(parts)) == len(parts)
        check(fits, "text_encoder", repr(self.text_encoder), known)
        check(self.text_width >= 1, "text_width", self.text_width, "must be at least 1")
        n_tokens = self.text_batch_tokens
        check(n_tokens >= 0, "text_batch_tokens", n_tokens, "must not be negative")
        for encoder, flag in (("transformer", "text_model"), ("precomputed", "text_embeddings")):
            if getattr(self, flag) and encoder not in parts:
                raise ConfigError(
                    f"--{flag} is given, but --text_encoder={self.text_encoder} has no use for it"
                )

    @property
    def text_encoder_parts(self) -> list[str]:
        """The encoders that are joined; none for `none`."""
        return [] if self.text_encoder == NONE else self.text_encoder.split("+")
