"""Reading texts that are not in the prepared folder: searches, reviews of new users and items."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.settings import NONE
from symcere_jax.text import FittedTextEncoder, load_text_encoder


@dataclasses.dataclass(frozen=True)
class TextReader:
    """Turns texts into features of the kind that a model was trained on."""

    dataset: str  # its name
    encoder: FittedTextEncoder | None  # None if no further text can be read

    @classmethod
    def load(cls, dataset: ReviewDataset, name: str) -> "TextReader":
        """Loads a text encoder of a prepared folder by its name."""
        if name == NONE or schema.text_model_file(name) not in dataset.manifest.files:
            return cls(dataset.name, None)
        return cls(dataset.name, load_text_encoder(dataset, name))

    def documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """Features of documents, each of several texts, float32 `[n, width]`.

        Raises:
            DataError: there is no encoder.
            TypeError: a document is a string, whose letters would be taken for texts.
        """
        for texts in documents:
            if isinstance(texts, str):
                raise TypeError(f"texts must be lists of strings, as [{texts!r}]")
            for text in texts:
                if not isinstance(text, str):
                    raise TypeError(f"a text must be a string, not {text!r}")
        return self._encoder().encode_documents(documents)

    def unknown_words(self, text: str) -> list[str]:
        """Distinct words that the encoder does not know, but for common ones such as "the"."""
        return self._encoder().unknown_words(text)

    def no_known_word(self, text: str) -> DataError:
        """Why nothing can be found by a text of which the encoder knows no word."""
        if not text.strip():
            return DataError("a search needs words")
        reason = "they are too common to tell items apart"
        if unknown := self.unknown_words(text):
            words = ", ".join(map(repr, unknown[:5]))
            reason = f"{words}: not in the training reviews, or in too few or too many of them"
        return DataError(
            f"no word of {text[:100]!r} is known to the text encoder ({reason}); search for other "
            "words"
        )

    def _encoder(self) -> FittedTextEncoder:
        if self.encoder is None:
            raise DataError(
                f"the model of {self.dataset!r} cannot read texts: its text features "
                "have no encoder (--text_encoder=precomputed), or it was trained with "
                "--text_encoder=none; prepare the data again, and train with text"
            )
        return self.encoder
