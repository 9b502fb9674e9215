"""Bytes change in every file of a prepared folder and of a checkpoint: noticed, or harmless."""

import hashlib
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from symcere_jax.data import ReviewDataset
from symcere_jax.data import dataset as reading
from symcere_jax.errors import CheckpointError, DataError
from symcere_jax.text import load_text_encoder
from symcere_jax.training import Checkpoints, load_model

PLACES = 6  # of each file, besides its first and last byte


def _use(folder: Path) -> list[bytes]:
    """All that training, evaluation and serving read of a prepared folder."""
    dataset = ReviewDataset.load(folder)
    table = dataset.reviews()
    found = [dataset.train, dataset.valid, dataset.test, dataset.review_rows("train")]
    found += [dataset.text_features("lsa", rows) for rows in ("users", "items", "reviews")]
    found.append(load_text_encoder(dataset, "lsa").encode_texts(["pool beach", "red gasket"]))
    names = [*dataset.user_ids(), *dataset.item_ids()]
    sizes = (dataset.n_users, dataset.n_items, dataset.fingerprint, dataset.name, dataset.manifest)
    parts = [np.ascontiguousarray(array).tobytes() for array in found]
    return [*parts, str((names, sizes, table.to_pydict())).encode()]


def _mutations(path: Path, rng: np.random.Generator):
    """What becomes of a file: single bits, a byte more or less, zeros, half of it."""
    content = path.read_bytes()
    size = len(content)
    for place in [0, size - 1, *rng.integers(0, size, PLACES)]:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        yield f"bit of byte {place}", bytes(changed)
    yield "cut off", content[: size // 2]
    yield "longer", content + b"\0"
    yield "zeros", bytes(size)


def _digest(parts: list[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_of_a_prepared_folder(dataset, tmp_path):
    folder = shutil.copytree(dataset.folder, tmp_path / "copy")
    whole = _digest(_use(folder))
    rng = np.random.default_rng(0)
    for name in [*dataset.manifest.files, "manifest.json"]:
        path = folder / name
        content = path.read_bytes()
        for what, changed in _mutations(path, rng):
            path.write_bytes(changed)
            reading._VERIFIED.clear()  # written within the same tick of the clock
            try:
                found = _digest(_use(folder))
            except DataError as error:
                assert str(folder) in str(error) and len(str(error).splitlines()) == 1
            else:
                assert found == whole, (name, what)
                assert name == "manifest.json" or changed == content, (name, what)
        path.write_bytes(content)
    reading._VERIFIED.clear()
    assert _digest(_use(folder)) == whole


@pytest.mark.parametrize("kind", ["best", "latest"])
def test_of_a_checkpoint(dataset, trained_run, tmp_path, kind):
    """Only one checkpoint is there: nothing else can serve."""
    step = Checkpoints(trained_run).steps(kind)[-1]
    trained = load_model(trained_run, dataset)
    folder = tmp_path / "checkpoints" / kind / str(step)
    shutil.copytree(Checkpoints(trained_run).folder / kind / str(step), folder)
    if kind == "latest":  # its copy of the best parameters serves where the best is damaged
        best = tmp_path / "checkpoints" / "best" / str(trained.metadata.progress.best_step)
        best.mkdir(parents=True)
        (best / "contents.json").write_text("{}")
    checkpoints = Checkpoints(tmp_path)
    rng = np.random.default_rng(0)
    n_refused = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if not content or (kind == "latest" and "tree" in path.parts):
            continue
        for what, changed in _mutations(path, rng):
            path.write_bytes(changed)
            try:
                metadata, params = checkpoints.restore_best(lambda _: trained.params)
            except CheckpointError as error:
                n_refused += 1
                assert len(str(error).splitlines()) == 1
            else:
                assert metadata.progress.best_step == trained.metadata.progress.best_step
                assert metadata.settings == trained.metadata.settings, (path, what)
                jax.tree.map(np.testing.assert_array_equal, params, trained.params)
        path.write_bytes(content)
    assert n_refused > 20
    jax.tree.map(
        np.testing.assert_array_equal,
        checkpoints.restore_best(lambda _: trained.params)[1],
        trained.params,
    )
