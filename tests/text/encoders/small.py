"""A text encoder for tests, and reviews for it."""

import numpy as np

from symcere_jax.text import Reviews, TextFeatures


class FixedEncoder:
    """Gives rows that it was made with; users and items get the mean."""

    def __init__(self, rows, name="fixed", fitted=None):
        self.rows, self.name, self.fitted = np.asarray(rows, np.float32), name, fitted

    def encode(self, reviews, announce=lambda stage: None):
        return TextFeatures.from_rows(self.rows, reviews, {"made": "up"}, self.fitted)


def random_reviews(n=60, n_users=15, n_items=10, seed=0):
    """Reviews without text, a third of them held out."""
    rng = np.random.default_rng(seed)
    user, item = (rng.integers(0, size, n).astype(np.int32) for size in (n_users, n_items))
    return Reviews([""] * n, user, item, np.arange(n) % 3 != 0, n_users, n_items)
