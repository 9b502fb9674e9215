"""Explanations: words of a text by LIME, decomposed recommendations, semantic anchoring."""

from symcere_jax.explain.aligner import Aligner, ReviewExplanation, explain_reviews, sample_reviews
from symcere_jax.explain.anchoring import summarize_anchoring
from symcere_jax.explain.lime_words import LimeSettings, TextExplanation
from symcere_jax.explain.recommendation import RecommendationExplanation, explain_recommendation
from symcere_jax.explain.word_classes import (
    CLASSES_FROM_DATA,
    classes_of_dataset,
    classes_of_lists,
    drop_unknown_words,
    read_words,
)

__all__ = [
    "CLASSES_FROM_DATA",
    "Aligner",
    "LimeSettings",
    "RecommendationExplanation",
    "ReviewExplanation",
    "TextExplanation",
    "classes_of_dataset",
    "classes_of_lists",
    "drop_unknown_words",
    "explain_recommendation",
    "explain_reviews",
    "read_words",
    "sample_reviews",
    "summarize_anchoring",
]
