import jax
import numpy as np
import pytest

from symcere_jax.errors import ConfigError
from symcere_jax.models import resolve
from symcere_jax.settings import Settings
from symcere_jax.training import run, train

SMALL = {"experts": "graph", "epochs": 1, "embedding_dim": 8, "n_layers": 1, "batch_size": 256}


def test_runs_of_other_seeds_share_their_programs(dataset):
    first, second = (
        run.Run.build(resolve(Settings(**SMALL, seed=seed), dataset), dataset, 16)
        for seed in (0, 1)
    )
    assert first.run_steps is second.run_steps
    assert first.model is second.model
    leaves = (jax.tree.leaves(each.initial_state.params)[0] for each in (first, second))
    assert not np.array_equal(*leaves)


@pytest.mark.parametrize(("batch_size", "n_steps"), [(16, 6), (48, 2), (256, 1)])
def test_a_call_takes_few_interactions(dataset, monkeypatch, batch_size, n_steps):
    monkeypatch.setattr(run, "_MOST_INTERACTIONS", 100)
    built = run.Run.build(resolve(Settings(**SMALL), dataset), dataset, batch_size)
    assert 1 <= built.steps_per_call <= n_steps
    n_calls, rest = divmod(built.steps_per_epoch, built.steps_per_call)
    assert rest == 0
    assert n_calls > 1
    assert built.steps_per_epoch * built.batch_size >= len(dataset.train)


def test_steps_draw_by_the_seed_of_the_settings(dataset, tmp_path, monkeypatch):
    build_steps, seeds = run.build_steps, []

    def noted(*arguments, **keywords):
        steps = build_steps(*arguments, **keywords)

        def run_steps(state, inputs, seed):
            seeds.append(seed)
            return steps(state, inputs, seed)

        return run_steps

    monkeypatch.setattr(run, "_programs", run._programs.__wrapped__)  # not from the cache
    monkeypatch.setattr(run, "build_steps", noted)
    train(Settings(**SMALL, seed=5), dataset, tmp_path)
    assert set(seeds) == {np.uint32(5)}


@pytest.mark.parametrize(
    ("requested", "micro_batch_size", "n_interactions", "n_devices", "expected"),
    [
        (512, 2048, 1000, 1, (512, 1)),
        (512, 2048, 1000, 8, (512, 1)),
        (510, 2048, 1000, 8, (504, 1)),
        (512, 2048, 397, 8, (392, 1)),
        (8, 2048, 8, 8, (8, 1)),
        (8, 1, 8, 4, (8, 2)),
        (512, 200, 1000, 8, (504, 3)),
        (999, 100, 5000, 1, (990, 10)),
    ],
)
def test_batches_are_shared_evenly(
    requested, micro_batch_size, n_interactions, n_devices, expected
):
    found = run.fit_batch_size(requested, micro_batch_size, n_interactions, n_devices)
    assert found == expected
    size, n_micro_batches = found
    assert size % (n_micro_batches * n_devices) == 0
    assert size // n_micro_batches <= max(micro_batch_size, n_devices)


@pytest.mark.parametrize(("requested", "n_interactions"), [(7, 1000), (512, 7)])
def test_more_devices_than_rows_is_an_error(requested, n_interactions):
    with pytest.raises(
        ConfigError, match=f"--batch_size={requested} with {n_interactions} training"
    ):
        run.fit_batch_size(requested, 2048, n_interactions, 8)
