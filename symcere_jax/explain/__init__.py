"""Explanations: words of a text by LIME, recommendations taken apart, semantic anchoring."""

from symcere_jax.explain.aligner import Against, Aligner
from symcere_jax.explain.anchoring import Anchoring, summarize_anchoring
from symcere_jax.explain.lime_words import WordContributions, explain_words
from symcere_jax.explain.recommendation import (
    RecommendationExplanation,
    best_new_item,
    explain_recommendation,
    explain_score,
)
from symcere_jax.explain.sampling import (
    chosen_reviews,
    explain_reviews,
    known_classes,
    sample_reviews,
)
from symcere_jax.explain.word_classes import (
    CLASSES_FROM_DATA,
    classes_of_dataset,
    classes_of_lists,
    classify_words,
    read_words,
    sentiment_lexicon,
    word_statistics,
)

__all__ = [
    "CLASSES_FROM_DATA",
    "Against",
    "Aligner",
    "Anchoring",
    "RecommendationExplanation",
    "WordContributions",
    "best_new_item",
    "chosen_reviews",
    "classes_of_dataset",
    "classes_of_lists",
    "classify_words",
    "explain_recommendation",
    "explain_reviews",
    "explain_score",
    "explain_words",
    "known_classes",
    "read_words",
    "sample_reviews",
    "sentiment_lexicon",
    "summarize_anchoring",
    "word_statistics",
]
