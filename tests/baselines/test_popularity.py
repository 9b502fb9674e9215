import numpy as np

from symcere_jax.baselines.popularity import PopularitySettings, fit_popularity

from . import small


def test_scores_are_training_counts_for_everybody():
    scorer = fit_popularity(small.dataset(), PopularitySettings(), 0)
    found = small.scores(scorer, [0, 8])
    counts = [sum(1 for _, other in small.TRAIN if other == item) for item in range(small.N_ITEMS)]
    np.testing.assert_array_equal(found, [counts, counts])
    assert counts[6] == 0
