"""Bytes change in every file of a prepared folder and of a checkpoint: noticed, or harmless."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from symcere_jax.data import ReviewDataset
from symcere_jax.data import stored_files as reading
from symcere_jax.errors import CheckpointError, DataError
from symcere_jax.text import load_text_encoder
from symcere_jax.training import load_model

N_PLACES = 2  # of each file, besides its first and last byte


def _digest(folder: Path) -> str:
    """Of all that training, evaluation and serving read of a prepared folder."""
    dataset = ReviewDataset.load(folder)
    arrays = [dataset.train, dataset.valid, dataset.test, dataset.review_rows("train")]
    arrays += [dataset.text_features("lsa", rows) for rows in ("users", "items", "reviews")]
    arrays.append(load_text_encoder(dataset, "lsa").encode_texts(["pool beach", "red gasket"]))
    ids = [*dataset.user_ids(), *dataset.item_ids()]
    words = str((ids, dataset.fingerprint, dataset.manifest, dataset.reviews().to_pydict()))
    parts = [*(np.ascontiguousarray(array).tobytes() for array in arrays), words.encode()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _mutations(path: Path, rng: np.random.Generator) -> Iterator[str]:
    """Changes a file in one way after the other: a bit, its length, zeros; then it is as before."""
    content = path.read_bytes()
    size = len(content)
    for place in [0, size - 1, *rng.integers(0, size, N_PLACES)]:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        yield f"bit of byte {place}"
    for how, changed in {
        "cut off": content[: size // 2],
        "longer": content + b"\0",
        "zeros": bytes(size),
    }.items():
        path.write_bytes(changed)
        yield how
    path.write_bytes(content)


def test_of_a_prepared_folder(dataset, tmp_path):
    folder = shutil.copytree(dataset.folder, tmp_path / "copy")
    expected = _digest(folder)
    rng = np.random.default_rng(0)
    for name in [*dataset.manifest.files, "manifest.json"]:
        for how in _mutations(folder / name, rng):
            reading._verified.clear()  # written within the same tick of the clock
            try:
                digest = _digest(folder)
            except DataError as error:
                assert str(folder) in str(error) and len(str(error).splitlines()) == 1
            else:
                assert (name, digest) == ("manifest.json", expected), (name, how)
    reading._verified.clear()
    assert _digest(folder) == expected


def test_of_a_checkpoint(dataset, trained_run, tmp_path):
    """Only one checkpoint is there: nothing else can serve."""
    newest = max((trained_run / "checkpoints").iterdir(), key=lambda path: int(path.name))
    folder = shutil.copytree(newest, tmp_path / newest.relative_to(trained_run))
    expected = load_model(trained_run, dataset)
    rng = np.random.default_rng(0)
    n_refused = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if not path.stat().st_size:
            continue
        for how in _mutations(path, rng):
            try:
                trained = load_model(tmp_path, dataset)
            except CheckpointError as error:
                n_refused += 1
                assert len(str(error).splitlines()) == 1
            else:
                assert trained.metadata == expected.metadata, (path, how)
                jax.tree.map(
                    np.testing.assert_array_equal, trained.main.params, expected.main.params
                )
    assert n_refused > 10
    trained = load_model(tmp_path, dataset)
    jax.tree.map(np.testing.assert_array_equal, trained.main.params, expected.main.params)
