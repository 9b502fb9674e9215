"""A small trained model, shared by the tests of serving."""

from pathlib import Path

import pytest

from symcere_jax import Recommender
from symcere_jax.data import ReviewDataset
from symcere_jax.settings import Settings
from symcere_jax.training import train

SETTINGS = {
    "experts": "aligned",
    "epochs": 2,
    "batch_size": 128,
    "n_layers": 2,
    "propagation": "segment",
    "cross_modal_weight": 0.0,
    "user_ranking_weight": 0.0,
}


@pytest.fixture(scope="session")
def workdir(dataset: ReviewDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workdir of a short training run; not to be changed."""
    folder = tmp_path_factory.mktemp("served") / "run"
    train(Settings(**SETTINGS), dataset, folder)
    return folder


@pytest.fixture(scope="session")
def recommender(workdir: Path, dataset: ReviewDataset) -> Recommender:
    return Recommender.load(workdir, dataset)


@pytest.fixture(scope="session")
def mixed_run(dataset: ReviewDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workdir of a short run of several experts; not to be changed."""
    folder = tmp_path_factory.mktemp("experts") / "run"
    settings = SETTINGS | {"experts": "graph,aligned,neighbors", "expert_weights": "equal"}
    train(Settings(**settings, graph_seeds=2), dataset, folder)
    return folder


@pytest.fixture(scope="session")
def mixed(mixed_run: Path, dataset: ReviewDataset) -> Recommender:
    return Recommender.load(mixed_run, dataset)
