"""Latent semantic analysis of review texts: TF-IDF of words and word pairs, then truncated SVD.

The documents that it is fitted on are items: all training reviews of an item, joined. What sets
items apart (a city, a brand, a part number) then gets the weight, rather than what sets single
reviews apart (their length and mood); on hotel reviews this ranks a fifth better than a fit on
single reviews.

Each text is split into words once; documents are then sequences of word numbers. With a scratch
folder, the words, the weights of the item documents and all features lie on disk. Memory holds the
basis, `n_terms × width` floats (512 MB where the vocabulary is full), 2 KB for each item or term,
whichever are fewer, and some hundred megabytes for what is worked on.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import scipy.sparse

from symcere_jax.callbacks import MessageCallback
from symcere_jax.errors import DataError
from symcere_jax.text.encoders.base import Reviews, TextFeatures
from symcere_jax.text.encoders.decomposition import RowBlocks, right_singular_vectors
from symcere_jax.text.encoders.feature_rows import collect_rows
from symcere_jax.text.encoders.fitted_lsa import FittedLsa, idf, weigh
from symcere_jax.text.encoders.term_weights import rating_weights, user_weights
from symcere_jax.text.encoders.vocabulary import SLACK, Vocabulary, count_terms
from symcere_jax.text.encoders.words import StoredWords, WordBatch, WordNumbers, single_documents

# Words are fewer than pairs of words, and a word in a Python dict takes ten times as much memory.
_WORDS_PER_TERM = SLACK // 2


@dataclasses.dataclass(frozen=True)
class LsaEncoder:
    """TF-IDF over item documents, reduced by truncated SVD; fitted on training reviews only.

    Attributes:
        width: dimensions kept; fewer where the data has fewer items or terms.
        min_items: a term must occur in the documents of that many items.
        max_item_share: a term in a larger share of the documents is left out.
        max_terms: the most frequent terms kept, which bounds memory.
        term_weights: "none"; "users": less weight for what says little of what users seek; or
            "ratings": less for what tells the rating rather than the item. See `term_weights`;
            both take about a kilobyte of memory for each training review.
        seed: of the randomised SVD.
        scratch: folder for the features of reviews, which are then mapped; None: in memory.
    """

    width: int = 256
    min_items: int = 2
    max_item_share: float = 0.5
    max_terms: int = 500_000
    term_weights: str = "none"
    seed: int = 0
    scratch: Path | None = None

    name = "lsa"

    def encode(self, reviews: Reviews, *, progress: MessageCallback | None = None) -> TextFeatures:
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
        say("counting words of items")
        train = np.flatnonzero(reviews.is_train)
        numbers = WordNumbers(_WORDS_PER_TERM * self.max_terms)
        words = StoredWords(reviews.texts, train, numbers, self.scratch)
        item_of, user_of = np.asarray(reviews.item)[train], np.asarray(reviews.user)[train]
        vocabulary = self._vocabulary(
            words.documents(item_of, reviews.n_items), numbers, len(train)
        )
        n_terms = len(vocabulary.terms)
        width = min(self.width, min(reviews.n_items, n_terms) - 1)
        if width < 1:
            raise DataError(
                f"text features need two items and two terms, the training reviews have "
                f"{reviews.n_items} and {n_terms}; prepare with --text_encoder=none"
            )
        say("weighting words of items")
        weights = idf(vocabulary)
        if self.term_weights != "none":
            say(f"weighting words by {self.term_weights}")
            of_reviews = words.documents(np.arange(len(train)), len(train))
            if self.term_weights == "users":
                owners = (user_of, item_of, reviews.n_items)
                weights = weights * user_weights(of_reviews, vocabulary, *owners)
            else:
                rating = np.full(len(train), np.nan)
                if reviews.rating is not None:
                    rating = np.asarray(reviews.rating)[train]
                weights = weights * rating_weights(of_reviews, vocabulary, item_of, rating)
        terms = (vocabulary.keys, vocabulary.columns, weights)
        of_items = words.documents(item_of, reviews.n_items)
        item_terms = RowBlocks((weigh(batch, *terms) for batch in of_items), n_terms, self.scratch)
        say(f"reducing {n_terms:,} terms to {width} dimensions")
        basis, items = right_singular_vectors(item_terms, width, seed=self.seed)
        del item_terms
        fitted = FittedLsa(numbers.known, *terms, basis)
        say("encoding users")
        users = map(fitted.weigh, words.documents(user_of, reviews.n_users))
        user_features = self._features("users", users, reviews.n_users, basis)
        say("encoding reviews")
        alone = map(fitted.weigh, single_documents(reviews.texts, numbers.known))
        review_features = self._features("reviews", alone, len(reviews.texts), basis)
        settings = dataclasses.asdict(self) | {"n_terms": n_terms}
        del settings["scratch"]
        return TextFeatures(review_features, user_features, items, settings, fitted)

    def _vocabulary(
        self, documents: Iterator[WordBatch], numbers: WordNumbers, n_reviews: int
    ) -> Vocabulary:
        """The terms of the item documents."""
        try:
            return count_terms(
                documents,
                numbers.names(),
                min_documents=self.min_items,
                max_document_share=self.max_item_share,
                max_terms=self.max_terms,
            )
        except ValueError as error:
            raise DataError(
                f"no text features can be made of {n_reviews} training reviews "
                f"({error}); prepare with --text_encoder=none"
            ) from None

    def _features(
        self, rows: str, weights: Iterable[scipy.sparse.csr_matrix], n: int, basis: np.ndarray
    ) -> np.ndarray:
        """Features of n documents, mapped from a file where there is a scratch folder."""
        path = self.scratch / f"{rows}_features.npy" if self.scratch else None
        return collect_rows((part @ basis for part in weights), n, basis.shape[1], path)
