import dataclasses
import functools
import logging
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symcere_jax.graph import bipartite_graph, build_adjacency
from symcere_jax.settings import Settings
from symcere_jax.training import step
from symcere_jax.training.devices import collect, distribute, replicate
from symcere_jax.training.step import TrainState, build_optimizer, build_steps, initial_state

from . import problem

BATCH_SIZE, STEPS_PER_EPOCH = 3, 4
RATES = {"learning_rate": 0.5, "embedding_learning_rate": 0.25, "scalar_learning_rate": 0.125}


class _BatchesObjective:
    """Tells which batches it was given, and what its random key draws."""

    def gradients(self, params, inputs, rows, key, n_devices, n_micro_batches):
        return jnp.zeros_like(params), {"loss": jax.random.uniform(key), "rows": rows}


def _batches(
    seed: int, n_epochs: int, max_sorted: int = len(problem.PAIRS)
) -> tuple[np.ndarray, np.ndarray]:
    """Interactions `[n_epochs, steps, batch]` and noise `[n_epochs, steps]` of the first epochs."""
    optimizer = optax.set_to_zero()
    params = jnp.zeros(1)
    state = replicate(TrainState(jnp.int32(0), params, optimizer.init(params), params))
    inputs = replicate(problem.inputs())
    sizes = {"steps_per_epoch": STEPS_PER_EPOCH, "n_steps": STEPS_PER_EPOCH // 2}
    rows, noise = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "_MAX_SORTED", max_sorted)
        run = build_steps(
            _BatchesObjective(),
            optimizer,
            Settings(),
            batch_size=BATCH_SIZE,
            n_micro_batches=1,
            **sizes,
        )
        for _ in range(2 * n_epochs):
            state, terms = run(state, inputs, np.uint32(seed))
            rows.append(terms["rows"][0])
            noise.append(terms["loss"][0])
    assert int(state.step[0]) == n_epochs * STEPS_PER_EPOCH
    shape = (n_epochs, STEPS_PER_EPOCH)
    return np.reshape(rows, (*shape, BATCH_SIZE)), np.reshape(noise, shape)


@pytest.fixture(scope="module", params=["sorted", "computed"])
def max_sorted(request):
    """The order of an epoch is drawn one way or the other."""
    return len(problem.PAIRS) - (request.param == "computed")


@pytest.fixture(scope="module")
def batches(max_sorted):
    return _batches(0, 3, max_sorted)


def test_an_epoch_covers_every_interaction(batches):
    rows, _ = batches
    # 4 steps of 3 for 11 interactions: the last place goes to the first of the order again.
    for epoch in rows.reshape(3, -1):
        assert sorted(epoch[:-1].tolist()) == list(range(len(problem.PAIRS)))
        assert epoch[-1] == epoch[0]


def test_epochs_and_steps_differ(batches):
    rows, noise = batches
    assert len({epoch.tobytes() for epoch in rows}) == 3
    assert len(set(noise.ravel().tolist())) == noise.size


def test_the_seed_decides_the_order_and_the_noise(batches, max_sorted):
    again, other = _batches(0, 1, max_sorted), _batches(1, 1, max_sorted)
    for first, same, different in zip(batches, again, other, strict=True):
        np.testing.assert_array_equal(same[0], first[0])
        assert (different[0] != first[0]).any()


def _build_steps(objective, optimizer, settings: Settings, n_steps: int):
    """Steps of two micro-batches of 2 interactions, four of which are an epoch."""
    return build_steps(
        objective,
        optimizer,
        settings,
        batch_size=4,
        n_micro_batches=2,
        steps_per_epoch=4,
        n_steps=n_steps,
    )


@pytest.fixture(scope="module")
def training():
    """Steps of the real objective with dropout and sampled negatives, by steps a call."""
    resolved = problem.resolved(dropout=0.4, ranking_loss="bpr", **problem.ONLY_RANKING)
    objective, optimizer = problem.objective(resolved), build_optimizer(resolved, batch_size=4)
    inputs, columns = problem.inputs(), problem.DIM

    def start(**settings) -> TrainState:
        train = resolved.replace(**settings)
        return distribute(initial_state(objective, optimizer, inputs, train), columns)

    def steps(n_steps: int):
        run = _build_steps(objective, optimizer, resolved, n_steps)
        return lambda state, inputs: run(state, inputs, np.uint32(0))

    return start, steps, replicate(inputs), columns


def test_steps_of_one_call_equal_single_steps(training):
    start, steps, inputs, _ = training
    together, terms = steps(4)(start(), inputs)
    single, state, single_terms = steps(1), start(), []
    average = jax.tree.map(np.float64, state.params)
    for _ in range(4):
        state, step_terms = single(state, inputs)
        single_terms.append(step_terms)
        # Over the 4 steps of an epoch, 0.8 of what the average was stays.
        average = jax.tree.map(
            lambda old, new: 0.8**0.25 * old + (1 - 0.8**0.25) * np.asarray(new),
            average,
            state.params,
        )
    # To rounding: sums are fused in another way where a loop has one step.
    equal = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-9)
    jax.tree.map(equal, state, together)
    assert terms["loss"].shape == (1, 4)
    jax.tree.map(
        equal,
        jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *single_terms),
        jax.tree.map(np.asarray, terms),
    )
    jax.tree.map(
        lambda leaf, expected: np.testing.assert_allclose(leaf, expected, rtol=1e-5, atol=1e-8),
        state.average,
        average,
    )
    # All of it was trained: no leaf is where it started.
    moved = jax.tree.map(
        lambda before, after: (np.asarray(before) != np.asarray(after)).any(),
        start().params,
        state.params,
    )
    assert all(jax.tree.leaves(moved)), moved


def test_nothing_is_compiled_after_the_first_call(training, caplog):
    start, steps, inputs, columns = training
    run = steps(2)
    before = start()
    state, _ = run(before, inputs)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before))  # its memory is used again
    restored = distribute(collect(state, columns), columns)
    with jax.log_compiles(), caplog.at_level(logging.DEBUG):
        state, _ = run(state, inputs)
        run(restored, inputs)
    compiled = [record.message for record in caplog.records if "ompil" in record.message]
    assert compiled == []


def test_the_initial_state_follows_from_the_seed(training):
    start, *_ = training
    first, same, other = start(seed=0), start(seed=0), start(seed=1)
    jax.tree.map(np.testing.assert_array_equal, same, first)
    table = [state.params["graph_tower"]["embedding"] for state in (first, other)]
    assert (np.asarray(table[0]) != np.asarray(table[1])).all()
    jax.tree.map(np.testing.assert_array_equal, first.average, first.params)
    # A step takes over the memory of both: they must not share it.
    pointers = [
        leaf.addressable_data(0).unsafe_buffer_pointer()
        for leaf in jax.tree.leaves((first.params, first.average))
    ]
    assert len(set(pointers)) == len(pointers)


def test_what_is_compiled_for_a_seed_serves_all(caplog):
    keys = []
    for seed in (0, 1):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.DEBUG):
            _batches(seed, n_epochs=1)
        messages = " ".join(record.getMessage() for record in caplog.records)
        keys.append(set(re.findall(r"with key '([\w-]+)'", messages)))
    # Programs are kept under what they compute: the second seed asks for no other one.
    assert set() != keys[1] <= keys[0]


@pytest.mark.parametrize(("batch_size", "scale"), [(256, 1), (1024, 2)])
def test_each_group_of_parameters_has_its_learning_rate(batch_size, scale):
    optimizer = build_optimizer(Settings(**RATES), batch_size)
    params = problem.params(problem.objective(problem.resolved()).model)
    gradients = jax.tree.map(jnp.ones_like, params)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    # The first step of Adam has the length of the learning rate, whatever the gradient.
    expected = {
        "graph_tower": {"embedding": 0.25},
        "text_tower": {
            "log_item_weight": 0.125,
            "log_user_weight": 0.125,
            "projection": {"kernel": 0.5},
        },
        "popularity_weight": 0.125,
    }
    jax.tree.map(
        lambda rate, update: np.testing.assert_allclose(update, -scale * rate, rtol=1e-5),
        expected,
        updates,
    )


@pytest.mark.parametrize(
    ("batch_size", "b1", "b2", "eps"),
    [
        (64, 0.9, 0.999, 1e-8),
        (256, 0.9, 0.999, 1e-8),
        (1024, 0.6, 0.996, 5e-9),
        (4096, 0.0, 0.984, 2.5e-9),
        (25_600, 0.0, 0.9, 1e-9),
        (256 * 10**4, 0.0, 0.9, 1e-10),
    ],
)
def test_the_averages_of_adam_reach_as_many_interactions_back(batch_size, b1, b2, eps):
    optimizer = build_optimizer(Settings(**RATES), batch_size)
    rate_of = {"projection": 0.5, "graph_tower": 0.25, "temperature": 0.125}

    def tree(values: np.ndarray) -> dict:
        """One of each group, with the same values; a scalar each time."""
        return {
            "projection": jnp.float32(values),
            "graph_tower": jnp.float32(values),
            "temperature": [jnp.float32(value) for value in values],
        }

    params = tree(np.zeros(5))
    state = optimizer.init(params)
    mean, square = np.zeros(5), np.zeros(5)
    # As small as epsilon, too, and for longer than the averages take to forget where they started.
    size = np.logspace(-9, 0, 5)
    for step_number, draw in enumerate(np.random.default_rng(0).standard_normal((30, 5)), start=1):
        gradient = size * draw
        updates, state = optimizer.update(tree(gradient), state, params)
        mean = b1 * mean + (1 - b1) * gradient
        square = b2 * square + (1 - b2) * gradient**2
        unbiased = mean / (1 - b1**step_number), square / (1 - b2**step_number)
        step_of_one = np.sqrt(batch_size / 256) * unbiased[0] / (np.sqrt(unbiased[1]) + eps)
        for name, rate in rate_of.items():
            np.testing.assert_allclose(
                updates[name], -rate * step_of_one, rtol=1e-4, atol=1e-5 * rate
            )


@pytest.mark.parametrize("propagation", ["bucketed", "segment"])
@pytest.mark.parametrize("max_sorted", [1, step._MAX_SORTED])
def test_steps_are_made_of_what_gpus_and_tpus_have(monkeypatch, propagation, max_sorted):
    """What is made for CPU alone could not be exported for them."""

    def mapped(function, *, axis_name, in_axes, **_):
        return jax.jit(jax.vmap(function, in_axes, axis_name=axis_name))

    monkeypatch.setattr(step, "_MAX_SORTED", max_sorted)
    monkeypatch.setattr(jax, "pmap", mapped)
    settings = problem.resolved(candidates="sampled", dropout=0.5)
    graph = bipartite_graph(problem.PAIRS, problem.N_USERS, problem.N_ITEMS)
    inputs = problem.inputs()
    model = dataclasses.replace(inputs.model, adjacency=build_adjacency(graph, propagation))
    inputs = jax.tree.map(jnp.asarray, dataclasses.replace(inputs, model=model))
    objective, optimizer = problem.objective(settings), build_optimizer(settings, batch_size=4)
    run = _build_steps(objective, optimizer, settings, n_steps=2)
    state = initial_state(objective, optimizer, inputs, settings)
    state, inputs = (jax.tree.map(lambda leaf: leaf[None], tree) for tree in (state, inputs))
    exported = jax.export.export(run, platforms=["cuda", "rocm", "tpu"])(
        state, inputs, np.uint32(0)
    )
    assert len(exported.out_avals) > len(jax.tree.leaves(state))
