r"""Adds text features to a prepared folder, by another encoder or with other settings.

With a sentence encoder, from a folder or the Hugging Face Hub:

  python data_prep/encode.py --dataset=data/shop --text_encoder=transformer \
    --text_model=sentence-transformers/all-MiniLM-L6-v2

Two encoders side by side, under another name:

  python data_prep/encode.py --dataset=data/shop --text_encoder=lsa+transformer --text_name=both \
    --text_model=models/bge-small-en-v1.5 --text_bfloat16

Then train with --text_encoder=NAME. Encoded reviews are cached in --text_cache: an interrupted run
resumes from there, and only new reviews are encoded when the data is prepared again. Earlier runs
and their scores stay valid, unless --overwrite replaces their features.
"""

from symcere_jax.cli import field_flags, startup
from symcere_jax.preparation.settings import EncodeSettings

_SETTINGS = field_flags.define(EncodeSettings)


def main() -> None:
    """Encodes the reviews and says what was added."""
    from symcere_jax.preparation.encode.add_features import EncodeSettings, add_text

    settings = field_flags.read(EncodeSettings, _SETTINGS)
    name, width = add_text(settings, announce=startup.say)
    print(f"{settings.dataset}: text features {name!r}, {width} wide")
