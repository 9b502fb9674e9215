import numpy as np
import pytest

from symcere_jax.baselines.base import Popularity, interaction_matrix, text_features
from symcere_jax.errors import DataError

from . import small


def test_the_matrix_has_the_training_interactions():
    found = interaction_matrix(small.dataset())
    np.testing.assert_array_equal(found.toarray(), small.matrix())
    assert found.dtype == np.float32


def test_popularity_counts_for_everybody():
    found = small.scores(Popularity().fit(small.dataset(), 0), [0, 8])
    counts = [sum(1 for _, other in small.TRAIN if other == item) for item in range(small.N_ITEMS)]
    np.testing.assert_array_equal(found, [counts, counts])
    assert counts[6] == 0


def test_the_first_encoder_of_the_folder_is_used(dataset, dataset_without_text):
    expected = dataset.text_features("lsa", "users")
    np.testing.assert_array_equal(text_features(dataset, "users"), expected)
    with pytest.raises(DataError, match=r"no text features; .* --text_encoder=lsa"):
        text_features(dataset_without_text, "items")
