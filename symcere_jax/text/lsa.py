"""Latent semantic analysis of review texts: TF-IDF of words and word pairs, then truncated SVD.

The documents that it is fitted on are items: all training reviews of an item, joined. What sets
items apart (a city, a brand, a part number) then gets the weight, rather than what sets single
reviews apart (their length and mood); on hotel reviews this ranks a fifth better than a fit on
single reviews.
"""

import dataclasses

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.extmath import randomized_svd

from symcere_jax.errors import DataError
from symcere_jax.text.encoder import Progress, Reviews, TextFeatures


@dataclasses.dataclass(frozen=True)
class LsaEncoder:
    """TF-IDF over item documents, reduced by truncated SVD; fitted on training reviews only.

    Attributes:
        width: dimensions kept; fewer where the data has fewer items or terms.
        min_items: a term must occur in the documents of that many items.
        max_item_share: a term in a larger share of the documents is left out.
        max_terms: the most frequent terms kept, which bounds memory.
        seed: of the randomised SVD.
    """

    width: int = 256
    min_items: int = 2
    max_item_share: float = 0.5
    max_terms: int = 500_000
    seed: int = 0

    name = "lsa"

    def encode(self, reviews: Reviews, *, progress: Progress | None = None) -> TextFeatures:
        """Fits on the training reviews and encodes all reviews, users and items.

        Args:
            reviews: texts, their users, items and splits.
            progress: called with a few words at the start of each stage.

        Returns:
            Features whose width is min(`width`, n_items − 1, n_terms − 1).

        Raises:
            DataError: the training reviews share no words to build features from.
        """
        say = progress or (lambda stage: None)
        train = np.flatnonzero(reviews.is_train)
        say("counting words of items")
        vectorizer = TfidfVectorizer(
            sublinear_tf=True,
            ngram_range=(1, 2),
            stop_words="english",
            min_df=self.min_items,
            max_df=self.max_item_share,
            max_features=self.max_terms,
            dtype=np.float32,
        )
        item_documents = _documents(reviews, train, reviews.item, reviews.n_items)
        try:
            item_terms = vectorizer.fit_transform(item_documents)
        except ValueError as error:
            raise DataError(
                f"no text features can be made of {len(train)} training reviews ({error}); "
                "prepare with --text_encoder=none"
            ) from None
        width = min(self.width, min(item_terms.shape) - 1)
        if width < 1:
            raise DataError(
                f"text features need two items and two terms, the training reviews have "
                f"{item_terms.shape[0]} and {item_terms.shape[1]}; prepare with --text_encoder=none"
            )
        say(f"reducing {item_terms.shape[1]:,} terms to {width} dimensions")
        _, _, components = randomized_svd(item_terms, width, random_state=self.seed)
        basis = np.ascontiguousarray(components.T, dtype=np.float32)
        say("encoding users")
        user_terms = vectorizer.transform(_documents(reviews, train, reviews.user, reviews.n_users))
        say("encoding reviews")
        review_terms = vectorizer.transform(reviews.texts)
        settings = dataclasses.asdict(self) | {"n_terms": int(item_terms.shape[1])}
        return TextFeatures(review_terms @ basis, user_terms @ basis, item_terms @ basis, settings)


def _documents(reviews: Reviews, rows: np.ndarray, owner: np.ndarray, n: int) -> list[str]:
    """Joins the texts of `rows` by owner: one document for each of the n users or items."""
    parts: list[list[str]] = [[] for _ in range(n)]
    for row, who in zip(rows.tolist(), owner[rows].tolist(), strict=True):
        parts[who].append(reviews.texts[row])
    return [" ".join(part) for part in parts]
