"""A small trained model, shared by the tests of serving."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
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


def read(path: Path, columns: tuple[str, ...] = ("user_id", "item_id", "rank", "score")) -> list:
    """The rows of a file of recommendations, whose columns these must be."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        assert table.column_names == [*columns]
        return [tuple(row.values()) for row in table.to_pylist()]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == [*columns]
        return [
            (user, item, int(rank), float(score), *(title or None for title in titles))
            for user, item, rank, score, *titles in rows
        ]
    return [
        (line["user_id"], item["item_id"], rank, item["score"], *(item[c] for c in columns[4:]))
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        for rank, item in enumerate(line["items"], 1)
    ]


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
    train(Settings(**settings), dataset, folder)
    return folder


@pytest.fixture(scope="session")
def mixed(mixed_run: Path, dataset: ReviewDataset) -> Recommender:
    return Recommender.load(mixed_run, dataset)
