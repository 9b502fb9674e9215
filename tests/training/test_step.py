import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symcere_jax.config import Config
from symcere_jax.training.devices import replicate, unreplicate
from symcere_jax.training.step import TrainState, build_optimizer, build_steps, initial_state

from . import problem

BATCH_SIZE, STEPS_PER_EPOCH = 3, 4


def _batches_objective(params, inputs, batch, key, n_devices):
    """Tells which batches it was given, and what its random key draws."""
    noise = jax.random.uniform(key)
    return 0.0 * params.sum(), {"loss": noise, "batch": batch}


def _batches(seed: int, n_epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs `[n_epochs, steps, batch, 2]` and noise `[n_epochs, steps]` of the first epochs."""
    optimizer = optax.set_to_zero()
    params = jnp.zeros(1)
    state = replicate(TrainState(jnp.int32(0), params, optimizer.init(params)))
    inputs = replicate(problem.inputs())
    run = build_steps(
        _batches_objective,
        optimizer,
        seed=seed,
        batch_size=BATCH_SIZE,
        steps_per_epoch=STEPS_PER_EPOCH,
        n_steps=STEPS_PER_EPOCH // 2,
    )
    pairs, noise = [], []
    for _ in range(2 * n_epochs):
        state, terms = run(state, inputs)
        pairs.append(terms["batch"][0])
        noise.append(terms["loss"][0])
    assert int(unreplicate(state).step) == n_epochs * STEPS_PER_EPOCH
    shape = (n_epochs, STEPS_PER_EPOCH)
    return np.reshape(pairs, (*shape, BATCH_SIZE, 2)), np.reshape(noise, shape)


@pytest.fixture(scope="module")
def batches():
    return _batches(seed=0, n_epochs=3)


def test_an_epoch_covers_every_interaction(batches):
    pairs, _ = batches
    # 4 steps of 3 for 11 interactions: the last place goes to the first of the order again.
    for epoch in pairs.reshape(3, -1, 2):
        assert sorted(map(tuple, epoch[:-1].tolist())) == sorted(map(tuple, problem.PAIRS.tolist()))
        assert epoch[-1].tolist() == epoch[0].tolist()


def test_epochs_and_steps_differ(batches):
    pairs, noise = batches
    assert len({epoch.tobytes() for epoch in pairs}) == 3
    assert len(set(noise.ravel().tolist())) == noise.size


def test_the_seed_decides_the_order_and_the_noise(batches):
    again, other = _batches(seed=0, n_epochs=1), _batches(seed=1, n_epochs=1)
    for first, same, different in zip(batches, again, other, strict=True):
        np.testing.assert_array_equal(same[0], first[0])
        assert (different[0] != first[0]).any()


@pytest.fixture(scope="module")
def training():
    """Steps of the real objective with dropout and sampled negatives, by steps a call."""
    config = problem.config(dropout=0.4, ranking_loss="bpr", **problem.ONLY_RANKING)
    objective, optimizer = problem.objective(config), build_optimizer(config.train, batch_size=4)
    inputs = problem.inputs()

    def start(seed: int = 0) -> TrainState:
        return replicate(initial_state(objective, optimizer, inputs, seed))

    def steps(n_steps: int):
        return build_steps(
            objective, optimizer, seed=0, batch_size=4, steps_per_epoch=4, n_steps=n_steps
        )

    return start, steps, replicate(inputs)


def test_steps_of_one_call_equal_single_steps(training):
    start, steps, inputs = training
    together, terms = steps(4)(start(), inputs)
    single, state, single_terms = steps(1), start(), []
    for _ in range(4):
        state, step_terms = single(state, inputs)
        single_terms.append(step_terms)
    jax.tree.map(np.testing.assert_array_equal, state, together)
    assert terms["loss"].shape == (1, 4)
    jax.tree.map(
        np.testing.assert_array_equal,
        jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *single_terms),
        jax.tree.map(np.asarray, terms),
    )
    # All of it was trained: no leaf is where it started.
    moved = jax.tree.map(
        lambda before, after: (np.asarray(before) != np.asarray(after)).any(),
        start().params,
        state.params,
    )
    assert all(jax.tree.leaves(moved)), moved


def test_nothing_is_compiled_after_the_first_call(training, caplog):
    start, steps, inputs = training
    run = steps(2)
    before = start()
    state, _ = run(before, inputs)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before))  # its memory is used again
    restored = replicate(unreplicate(state))
    with jax.log_compiles(), caplog.at_level(logging.DEBUG):
        state, _ = run(state, inputs)
        run(restored, inputs)
    compiled = [record.message for record in caplog.records if "ompil" in record.message]
    assert compiled == []


def test_initial_state_follows_from_the_seed(training):
    start, _, _ = training
    first, same, other = start(0), start(0), start(1)
    jax.tree.map(np.testing.assert_array_equal, same, first)
    table = [state.params["graph_tower"]["embedding"] for state in (first, other)]
    assert (np.asarray(table[0]) != np.asarray(table[1])).all()


@pytest.mark.parametrize(("batch_size", "scale"), [(256, 1), (1024, 2)])
def test_each_group_of_parameters_has_its_learning_rate(batch_size, scale):
    rates = {
        "learning_rate": 0.5,
        "embedding_learning_rate": 0.25,
        "scalar_learning_rate": 0.125,
    }
    optimizer = build_optimizer(Config.of(**rates).train, batch_size)
    params = problem.params(problem.objective(problem.config()).model)
    gradients = jax.tree.map(jnp.ones_like, params)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    # The first step of Adam has the length of the learning rate, whatever the gradient.
    expected = {
        "graph_tower": {"embedding": 0.25},
        "text_tower": {
            "item_weight": 0.125,
            "user_weight": 0.125,
            "projection": {"kernel": 0.5},
        },
        "popularity_weight": 0.125,
    }
    jax.tree.map(
        lambda rate, update: np.testing.assert_allclose(update, -scale * rate, rtol=1e-5),
        expected,
        updates,
    )
