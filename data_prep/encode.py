r"""Adds text features to a prepared folder: of another encoder, or of the same with other settings.

By a sentence encoder, from a folder or the Hugging Face hub:

  python data_prep/encode.py --dataset=data/shop --text_encoder=transformer \
    --text_model=sentence-transformers/all-MiniLM-L6-v2 --text_center --text_whiten=0.5

Two encoders side by side, under a name of one's own:

  python data_prep/encode.py --dataset=data/shop --text_encoder=lsa+transformer --text_name=both \
    --text_model=models/bge-small-en-v1.5 --text_bfloat16

`launch/train.py --text_encoder=NAME` then trains with them. Encoded reviews are kept in
--text_cache: a run that was stopped goes on from there, and new reviews alone are encoded when the
data is prepared anew. Runs that were trained before, and their scores, stay good, unless features
are replaced by --overwrite.
"""

from data_prep import adding_text
from data_prep.adding_text import EncodeConfig
from launch import cli, field_flags

_SETTINGS = field_flags.define(EncodeConfig)


def main() -> None:
    """Encodes the reviews and says what was added."""
    config = EncodeConfig(**field_flags.values(EncodeConfig, _SETTINGS))
    name, width = adding_text.add_text(config, announce=cli.say)
    print(f"{config.dataset}: text features {name!r}, {width} wide")


def run() -> None:
    """The installed command."""
    cli.run(main)


if __name__ == "__main__":
    run()
