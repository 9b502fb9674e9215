"""One device or many: the same losses, gradients, runs and checkpoints."""

import concurrent.futures
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from symcere_jax.settings import Settings
from symcere_jax.training import load_embeddings, train
from symcere_jax.training.metric_log import read_metric_log

from . import problem
from .problem import ONLY_RANKING

CASES = {
    "every_term": {},
    "in_batch": {"candidates": "in_batch"} | ONLY_RANKING,
    "compared": {"cross_modal_batch": 4},
    "micro_batches": {"candidates": "sampled", "n_micro_batches": 2},
    "bpr": {"ranking_loss": "bpr", "dropout": 0.5} | ONLY_RANKING,
}
OF_TWO = ("compared", "micro_batches")  # 4 rows at once
OF_EIGHT = {name: case for name, case in CASES.items() if name not in OF_TWO}
# The batch size is a multiple of 8; the numbers of interactions and of columns are not.
SETTINGS = {
    "experts": "aligned",
    "item_text_weight": 0.001,
    "user_text_weight": 0.001,
    "learning_rate": 0.01,
    "embedding_learning_rate": 0.003,
    "batch_size": 128,
    "micro_batch_size": 64,
    "embedding_dim": 6,
    "n_layers": 2,
    "propagation": "segment",
} | ONLY_RANKING

SCRIPT = """
import json, sys
tests, folder, output, n_devices = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
sys.path.insert(0, tests)
import jax, numpy as np
import problem
from symcere_jax.settings import Settings
from symcere_jax.data import ReviewDataset
from symcere_jax.training import train
from symcere_jax.training.devices import local_rows, map_devices, replicate

assert jax.local_device_count() == n_devices
copies = replicate({"x": np.arange(3.0)})
assert copies["x"].shape == (n_devices, 3)
np.testing.assert_array_equal(copies["x"][0], [0, 1, 2])
rows = map_devices(lambda x: local_rows(x, n_devices), 0)(replicate(np.arange(16)))
np.testing.assert_array_equal(rows.reshape(-1), np.arange(16))

for name, case in json.loads(sys.argv[5]).items():
    np.savez(f"{output}/{name}.npz", **problem.terms_and_gradients(**case))
for workdir in sys.argv[7:]:
    settings = Settings(**json.loads(sys.argv[6]), epochs=2)
    train(settings, ReviewDataset.load(folder), f"{output}/{workdir}")
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, dataset, run_on_devices) -> dict[int, Path]:
    """What 1, 2 and 8 devices made of the same problem; one run began on 1 and resumed on 8."""
    folders = {n: tmp_path_factory.mktemp(f"devices_{n}") for n in (1, 2, 8)}
    train(Settings(**SETTINGS, epochs=1), dataset, folders[8] / "of_one_device")

    def start(n: int, cases: dict, *workdirs: str) -> None:
        settings = json.dumps(cases), json.dumps(SETTINGS)
        tests = Path(__file__).parent
        run_on_devices(n, SCRIPT, tests, dataset.folder, folders[n], n, *settings, *workdirs)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        two = pool.submit(start, 2, {name: CASES[name] for name in OF_TWO})
        eight = pool.submit(start, 8, OF_EIGHT, "run", "of_one_device")
        for name, case in CASES.items():
            np.savez(folders[1] / f"{name}.npz", **problem.terms_and_gradients(**case))
        train(Settings(**SETTINGS, epochs=2), dataset, folders[1] / "run")
        two.result()
        eight.result()
    return folders


@pytest.mark.parametrize(
    ("n_devices", "case"), [*((2, case) for case in OF_TWO), *((8, case) for case in OF_EIGHT)]
)
def test_terms_and_gradients_do_not_depend_on_the_devices(outputs, n_devices, case):
    one, many = (np.load(outputs[n] / f"{case}.npz") for n in (1, n_devices))
    assert set(many) == set(one)
    for name in one:
        assert np.abs(one[name]).max() > 1e-3
        np.testing.assert_allclose(many[name], one[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_run_does_not_depend_on_the_devices(outputs, dataset):
    _same_run(outputs[1] / "run", outputs[8] / "run", dataset)


def test_a_run_of_one_device_resumes_on_eight(outputs, dataset):
    _same_run(outputs[1] / "run", outputs[8] / "of_one_device", dataset)


def test_a_run_of_eight_devices_resumes_on_one(outputs, dataset, tmp_path):
    for n in (1, 8):
        shutil.copytree(outputs[n] / "run", tmp_path / str(n))
        assert train(Settings(**SETTINGS, epochs=3), dataset, tmp_path / str(n)).epochs == 3
    _same_run(tmp_path / "1", tmp_path / "8", dataset)


def _same_run(one: Path, other: Path, dataset) -> None:
    records, other_records = read_metric_log(one), read_metric_log(other)
    assert len(records) == len(other_records) > 2
    for record, other_record in zip(records, other_records, strict=True):
        del record["seconds"], other_record["seconds"]
        assert other_record == pytest.approx(record, rel=1e-3)
    (embeddings, metadata), (other_embeddings, other_metadata) = (
        load_embeddings(workdir, dataset) for workdir in (one, other)
    )
    assert other_metadata.progress.best_step == metadata.progress.best_step > 0
    for name in ("users", "items", "item_bias"):
        value, other_value = getattr(embeddings, name), getattr(other_embeddings, name)
        np.testing.assert_allclose(other_value, value, rtol=1e-3, atol=1e-4, err_msg=name)


CHOSEN = """
import sys
sys.path.insert(0, sys.argv[1])
import jax, numpy as np
import problem
from symcere_jax.training.step import build_optimizer, build_steps, initial_state

settings = problem.resolved()
objective, optimizer = problem.objective(settings), build_optimizer(settings, batch_size=4)
last = jax.devices()[1:]
run = build_steps(
    objective, optimizer, settings,
    batch_size=4, n_micro_batches=1, steps_per_epoch=2, n_steps=2, devices=last,
)
inputs = problem.inputs()
state = initial_state(objective, optimizer, inputs, settings)
state, inputs = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (state, inputs))
run.lower(state, inputs, np.uint32(0)).compile()
state, terms = run(state, inputs, np.uint32(0))
assert state.step == 2
assert terms["loss"].shape == (1, 2)
assert {device for leaf in jax.tree.leaves(state) for device in leaf.devices()} == set(last)
"""


def test_steps_run_on_the_devices_that_are_named(run_on_devices):
    run_on_devices(2, CHOSEN, Path(__file__).parent)
