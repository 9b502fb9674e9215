import jax
import numpy as np

from symcere_jax.models import ModelInputs
from symcere_jax.training.inputs import TrainInputs

from . import problem


def test_inputs_hold_the_training_interactions(dataset):
    model = ModelInputs.from_dataset(dataset, problem.config(text_encoder="lsa").model)
    inputs = TrainInputs.from_dataset(dataset, model)
    np.testing.assert_array_equal(inputs.interactions, dataset.train)
    items = {user: [] for user in range(dataset.n_users)}
    for user, item in dataset.train.tolist():
        items[user].append(item)
    assert inputs.max_history == max(map(len, items.values()))
    users = np.array([0, dataset.n_users - 1, 3, 3])
    history = jax.jit(lambda inputs, users: inputs.history(users, fill=99))(inputs, users)
    for user, row in zip(users.tolist(), history.tolist(), strict=True):
        padding = inputs.max_history - len(items[user])
        assert row == sorted(items[user]) + [99] * padding
