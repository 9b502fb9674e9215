import os
import shutil
import threading

import jax
import pytest
from starlette.testclient import TestClient

from symcere_jax.data import schema
from symcere_jax.recommend.http import ServedModel, create_app
from symcere_jax.settings import Settings
from symcere_jax.training import load_model, train

from ..conftest import SETTINGS


def test_a_reload_loses_no_request(workdir, dataset, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(dataset.folder, copy)
    model = ServedModel(workdir, copy)
    first = model.recommender
    statuses, stop = [], threading.Event()
    with TestClient(create_app(model)) as client:

        def ask():
            while not stop.is_set():
                body = {"users": ["user-000"], "k": 3}
                statuses.append(client.post("/recommend", json=body).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            assert not model.reload_if_new()
            os.utime(copy / "manifest.json", (0, 0))  # as good as new
            assert model.reload_if_new()
        finally:
            stop.set()
            asking.join()
        assert "symcere_reloads 1.0" in client.get("/metrics").text
    assert model.recommender is not first
    assert len(statuses) > 3 and set(statuses) == {200}


def test_a_newer_checkpoint_is_taken_up(workdir, dataset, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(workdir, copy)
    model = ServedModel(copy, dataset.folder)
    shutil.rmtree(copy)
    train(Settings(**SETTINGS | {"epochs": 1, "seed": 7}), dataset, copy)
    assert model.reload_if_new() and not model.reload_if_new()
    assert model.step == load_model(copy, dataset).metadata.progress.best_step


def test_a_reload_that_fails_keeps_the_model(workdir, dataset, tmp_path, caplog):
    copy = tmp_path / "run"
    shutil.copytree(workdir, copy)
    model = ServedModel(copy, dataset.folder)
    first = model.recommender
    shutil.rmtree(copy / "checkpoints")
    assert not model.reload()
    assert model.recommender is first and model.n_failed_reloads == 1
    assert "the model was not reloaded: no checkpoint" in caplog.text


@pytest.mark.parametrize("error", [jax.errors.JaxRuntimeError, MemoryError, KeyError, TypeError])
def test_a_reload_survives_any_error(workdir, dataset, monkeypatch, caplog, error):
    model = ServedModel(workdir, dataset.folder)
    first = model.recommender

    def failing():
        raise error("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(model, "_load", failing)
    monkeypatch.setattr(model, "_version", ())  # as if there were a newer checkpoint
    assert not model.reload_if_new()
    assert model.recommender is first and (model.n_reloads, model.n_failed_reloads) == (0, 1)
    assert "the model was not reloaded: " in caplog.text and "RESOURCE_EXHAUSTED" in caplog.text
    assert "Traceback" in caplog.text and "in failing" in caplog.text
    monkeypatch.undo()
    assert model.reload() and model.n_reloads == 1  # the next one is not kept from it


def test_a_model_on_features_from_elsewhere_is_served(workdir, dataset, monkeypatch):
    monkeypatch.setattr(schema, "text_model_file", lambda name: "not there")
    model = ServedModel(workdir, dataset.folder)
    with TestClient(create_app(model)) as client:
        assert client.get("/health").json()["reads_text"] is False
        response = client.post("/recommend", json={"users": ["user-000"], "k": 3})
        assert response.status_code == 200 and len(response.json()[0]["items"]) == 3
        response = client.post("/search", json={"text": "pool"})
        assert response.status_code == 422
        assert "features have no encoder" in response.json()["error"]
