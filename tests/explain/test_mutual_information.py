import numpy as np
import scipy.sparse
from sklearn.metrics import mutual_info_score

from symcere_jax.explain.mutual_information import mutual_information


def test_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 5, 200)
    presence = rng.random((200, 7)) < 0.2
    presence[:, 0] = classes == 2  # tells all
    presence[:, 1] = False
    presence[:, 2] = True
    found = mutual_information(scipy.sparse.csr_matrix(presence), classes)
    expected = [mutual_info_score(column, classes) for column in presence.T]
    np.testing.assert_allclose(found, expected, atol=1e-12)
