import functools
import os
import shutil
import signal
import sys
import tempfile
import types

import numpy as np
import pyarrow.parquet as pq
import pytest

from symcere_jax import Recommender
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.encode.add_features import EncodeSettings, add_text
from symcere_jax.ray_data import _connect, map_on_ray
from symcere_jax.recommend.bulk import write_recommendations
from symcere_jax.text.encoders import transformer
from tests.text.hub.models import make_model

ray = pytest.importorskip("ray")
# Ray's own threads and deprecations are its own affair.
pytestmark = [
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\."),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two workers; what Ray writes goes to a folder of a short name, as sockets need."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("HOME", folder)  # for the token of its workers
        handler = signal.getsignal(signal.SIGTERM)
        init = functools.partial(ray.init, num_cpus=2, log_to_driver=False)
        _connect(types.SimpleNamespace(init=init), "local")
        assert signal.getsignal(signal.SIGTERM) == handler
        yield
        ray.shutdown()


@pytest.fixture
def die_once(tmp_path):
    """Kills the worker that calls it first."""
    marker = tmp_path / "died"

    def die():
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    yield die
    assert marker.exists()


def test_features_equal_those_of_one_process_though_a_worker_is_killed(
    dataset, tmp_path, die_once, monkeypatch
):
    def encode(fitted, texts, size, start):  # local, so that workers get it, too
        if start == 400:
            die_once()
        return fitted.encode_texts(texts[start : start + size])

    (tmp_path / "model").mkdir()
    make_model(tmp_path / "model", "bert")
    monkeypatch.setattr(transformer, "_BLOCK_TEXTS", 400)
    monkeypatch.setattr(transformer, "_encode_block", encode)
    features = []
    for address in (None, "local"):
        folder = tmp_path / str(address)
        shutil.copytree(dataset.folder, folder)
        settings = EncodeSettings(
            dataset=folder,
            text_encoder="transformer",
            text_model=str(tmp_path / "model"),
            text_batch_tokens=1 << 16,  # few batches, so that few programs are compiled
            text_cache=tmp_path / f"{address}_cache",
            ray_address=address,
        )
        add_text(settings)
        stored = ReviewDataset.load(folder)
        rows = ("reviews", "users", "items")
        features.append([stored.text_features("transformer", name) for name in rows])
    for one, distributed in zip(*features, strict=True):
        np.testing.assert_array_equal(distributed, one)


def test_recommendations_equal_those_of_one_process_though_a_worker_is_killed(
    dataset, trained_run, tmp_path, die_once
):
    class Mortal(Recommender):
        def recommend_rows(self, rows, *arguments, **options):
            if 50 in rows:
                die_once()
            return Recommender.recommend_rows(self, rows, *arguments, **options)

    recommender = Recommender.load(trained_run, dataset)
    mortal = Mortal(**vars(recommender))
    one, distributed = tmp_path / "one.parquet", tmp_path / "ray" / "found.parquet"
    rows, options = np.arange(dataset.n_users)[::-1], {"k": 7, "part_users": 30}
    assert write_recommendations(recommender, rows, one, **options)
    answers = iter([False, True])
    assert not write_recommendations(
        mortal, rows, distributed, ray_address="local", should_stop=answers.__next__, **options
    )
    assert not distributed.exists()
    assert write_recommendations(mortal, rows, distributed, ray_address="local", **options)
    assert pq.read_table(distributed).equals(pq.read_table(one))
    assert list(distributed.parent.iterdir()) == [distributed]


def test_an_error_of_a_worker_is_raised_here():
    def fail(number):
        raise DataError(f"number {number} is bad")

    with pytest.raises(DataError, match="number 3 is bad"):
        list(map_on_ray(fail, [3], "local"))
    assert list(map_on_ray(fail, [], "local")) == []


def test_a_cluster_that_is_not_there(monkeypatch):
    def init(*arguments, **options):
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ConfigError, match="nobody answers"):
        next(map_on_ray(np.array, [1], "auto"))
    with pytest.raises(ConfigError, match="on a machine of the cluster"):
        next(map_on_ray(np.array, [1], "ray://head:10001"))


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"symcere-jax\[ray\]"):
        next(map_on_ray(np.array, [1], "auto"))
