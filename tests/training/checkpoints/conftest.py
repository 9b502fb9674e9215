"""Checkpoints to read, to damage and to write beside."""

import shutil

import pytest

from symcere_jax.training.checkpoints import Checkpoints, store

from . import saves


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(tmp_path)


@pytest.fixture(scope="module")
def written(dataset, tmp_path_factory) -> Checkpoints:
    """Two saves, at steps 12 and 16, with the same best parameters; not to be changed."""
    checkpoints = Checkpoints(tmp_path_factory.mktemp("written"))
    for step in (12, 16):
        saves.save(checkpoints, dataset, step)
    return checkpoints


@pytest.fixture
def saved(written, tmp_path) -> Checkpoints:
    shutil.copytree(written.folder, tmp_path / store.FOLDER)
    return Checkpoints(tmp_path)
