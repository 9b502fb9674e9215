"""A folder that processes read together is the one that a process reads alone."""

import dataclasses
import re
import shutil

import numpy as np
import pytest

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError


class Alone:
    """Gives a file in blocks, as a reader of several processes does, and counts what it gives."""

    def __init__(self, n_bytes=100):
        self.n_bytes = n_bytes
        self.given = []

    def blocks(self, path):
        self.given.append(path.name)
        content = np.fromfile(path, np.uint8)
        content.setflags(write=False)
        for start in range(0, len(content), self.n_bytes):
            yield content[start : start + self.n_bytes]

    def in_all(self, call):
        return call()


@pytest.fixture
def folder(dataset, tmp_path):
    """A copy of the prepared folder, to be changed."""
    return shutil.copytree(dataset.folder, tmp_path / "prepared")


def _declare(folder, **entries):
    """Makes the manifest fit the files again, as if it had been prepared so."""
    manifest = schema.Manifest.read(folder)
    files = {name: schema.file_entry(folder / name) for name in manifest.files}
    dataclasses.replace(manifest, files=files, **entries).write(folder)


def _message(call):
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("n_bytes", [1, 7, 128, 4096, 1 << 20])
def test_every_array_is_the_one_that_is_mapped(dataset, n_bytes):
    together = ReviewDataset.load(dataset.folder, Alone(n_bytes))
    assert together.manifest == dataset.manifest
    pairs = [(together.interactions(split), dataset.interactions(split)) for split in schema.SPLITS]
    features = [
        tuple(data.text_features("lsa", rows) for data in (together, dataset))
        for rows in ("users", "items", "reviews")
    ]
    for found, expected in (*pairs, *features):
        assert found.dtype == expected.dtype
        assert found.flags.c_contiguous
        assert not found.flags.writeable
        np.testing.assert_array_equal(found, expected)


def test_tables_are_the_same(dataset):
    together = ReviewDataset.load(dataset.folder, Alone())
    assert together.reviews() == dataset.reviews()
    np.testing.assert_array_equal(together.user_ids(), dataset.user_ids())
    np.testing.assert_array_equal(together.item_ids(), dataset.item_ids())
    np.testing.assert_array_equal(together.is_positive(4), dataset.is_positive(4))
    columns = ["user", "text"]
    assert list(together.review_batches(50, columns)) == list(dataset.review_batches(50, columns))


def test_a_table_is_checked_once_whatever_becomes_of_the_file(folder):
    reader = Alone()
    dataset = ReviewDataset.load(folder, reader)
    assert reader.given == ["manifest.json", "train.npy", "valid.npy", "test.npy"]
    del reader.given[:]
    for _ in range(2):
        dataset.review_rows("train")
        (folder / schema.REVIEWS).touch()  # which only some of the processes may see
    assert reader.given == ["reviews.parquet"]


def test_a_copy_of_a_dataset_has_the_same_reader(dataset):
    together = ReviewDataset.load(dataset.folder, Alone())
    assert dataclasses.replace(together, valid=together.valid[:1]).reader is together.reader


ARRAYS = [*map(schema.pairs_file, schema.SPLITS), schema.text_file("lsa", "users")]


def _load_all(folder, reader=None):
    dataset = ReviewDataset.load(folder, reader)
    for rows in ("users", "items", "reviews"):
        dataset.text_features("lsa", rows)
    dataset.reviews(["user"])


@pytest.mark.parametrize("name", [*ARRAYS, schema.REVIEWS])
@pytest.mark.parametrize("place", [0, 150, -1])
def test_a_damaged_byte_is_found(folder, name, place):
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    message = _message(lambda: _load_all(folder, Alone()))
    assert message == _message(lambda: _load_all(folder))
    assert message.startswith(f"{folder / name} is damaged: its checksum is not the one")


@pytest.mark.parametrize("name", [*ARRAYS, schema.USERS])
def test_a_missing_or_cut_off_file_is_found(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])
    message = _message(lambda: ReviewDataset.load(folder, Alone()))
    assert message == _message(lambda: ReviewDataset.load(folder))
    path.unlink()
    message = _message(lambda: ReviewDataset.load(folder, Alone()))
    assert message == _message(lambda: ReviewDataset.load(folder))
    assert message == f"{path} is missing; prepare the data again"


@pytest.mark.parametrize("change", [bytes.upper, lambda content: content + b"\0" * 1000])
def test_a_file_that_changes_while_it_is_read(folder, change):
    class Changing(Alone):
        def blocks(self, path):
            if path.name == "valid.npy":
                path.write_bytes(change(path.read_bytes()))
            yield from super().blocks(path)

    message = _message(lambda: ReviewDataset.load(folder, Changing()))
    assert message.startswith(f"{folder / 'valid.npy'} is damaged")


def test_a_file_that_goes_away_or_cannot_be_read(folder):
    dataset = ReviewDataset.load(folder, Alone())
    path = folder / schema.text_file("lsa", "items")
    path.unlink()
    message = _message(lambda: dataset.text_features("lsa", "items"))
    assert message == f"{path} is missing; prepare the data again"
    path.mkdir()
    message = _message(lambda: dataset.text_features("lsa", "items"))
    assert re.fullmatch(
        rf"{re.escape(str(path))} is not readable \(.* directory: .*\); prepare the data again",
        message,
    )


def test_a_manifest_that_goes_away_once_it_is_read(folder):
    class Deleting(Alone):
        def in_all(self, call):
            found = call()
            (folder / schema.MANIFEST).unlink()
            return found

    message = _message(lambda: ReviewDataset.load(folder, Deleting()))
    assert message == f"{folder / schema.MANIFEST} is missing; prepare the data again"


def test_a_file_that_is_not_in_the_manifest(folder):
    manifest = schema.Manifest.read(folder)
    files = {name: entry for name, entry in manifest.files.items() if name != "test.npy"}
    dataclasses.replace(manifest, files=files).write(folder)
    message = _message(lambda: ReviewDataset.load(folder, Alone()))
    assert message == _message(lambda: ReviewDataset.load(folder))
    assert message == f"{folder / 'test.npy'} is not in the manifest; prepare the data again"


def test_a_manifest_that_others_see_otherwise(folder):
    class Other(Alone):
        def blocks(self, path):
            content = np.fromfile(path, np.uint8)
            content[100] ^= 1
            yield content

    message = _message(lambda: ReviewDataset.load(folder, Other()))
    assert message.startswith(f"{folder / 'manifest.json'} is not what the other processes read")


@pytest.mark.parametrize(
    "change",
    [
        lambda pairs: pairs.astype(np.int64),
        lambda pairs: pairs.astype(">i4"),
        lambda pairs: pairs[:-1],
        lambda pairs: pairs[:, 0],
        lambda pairs: pairs + 1000,
        lambda pairs: -pairs,
    ],
)
def test_pairs_that_are_not_those_of_the_manifest(folder, dataset, change):
    np.save(folder / "train.npy", change(np.array(dataset.train)))
    _declare(folder)
    message = _message(lambda: ReviewDataset.load(folder, Alone()))
    assert message == _message(lambda: ReviewDataset.load(folder))


@pytest.mark.parametrize("split", schema.SPLITS)
def test_a_split_without_pairs(folder, split):
    np.save(folder / schema.pairs_file(split), np.zeros((0, 2), np.int32))
    counts = schema.Manifest.read(folder).n_interactions
    _declare(folder, n_interactions={**counts, split: 0})
    if split == "train":
        message = _message(lambda: ReviewDataset.load(folder, Alone()))
        assert message == f"{folder / 'train.npy'} has no interactions"
    else:
        assert ReviewDataset.load(folder, Alone()).interactions(split).shape == (0, 2)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_layout_of_numbers(folder, dataset, version, order):
    path = folder / schema.text_file("lsa", "items")
    halves = np.asarray(dataset.text_features("lsa", "items"), np.float16, order=order)
    with path.open("wb") as file:
        np.lib.format.write_array(file, halves, version)
    _declare(folder)
    found = ReviewDataset.load(folder, Alone()).text_features("lsa", "items")
    assert found.dtype == np.float16
    assert found.flags.f_contiguous == (order == "F")
    np.testing.assert_array_equal(found, halves)


def _npy(header, version=1):
    return b"\x93NUMPY" + bytes([version, 0, len(header), 0]) + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        b"\x93NUMPY\x01\x00",
        _npy(b"{"),
        _npy(b"{'descr': '<i4', 'fortran_order': False, 'shape': (9, 2), }"),
        _npy(b"{'descr': '<i4', 'fortran_order': False, 'shape': (-1, 2), }"),
        _npy(b"{'descr': '<i4', 'fortran_order': False, 'shape': (1 << 70, 2), }"),
        _npy(b"{'descr': '<i4', 'fortran_order': False, 'shape': (9999999999999999999, 2), }"),
        _npy(b"{'descr': '<i4', 'fortran_order': False, 'shape': (4000000000, 4000000000), }"),
        _npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + b"\0" * 8,
        _npy(b"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2), }", 9) + b"\0" * 8,
        b"PK\x03\x04 an archive",
    ],
)
def test_what_is_no_array(folder, content):
    (folder / "valid.npy").write_bytes(content)
    _declare(folder)
    for reader in (None, Alone()):
        message = _message(lambda reader=reader: ReviewDataset.load(folder, reader))
        assert message.startswith(f"{folder / 'valid.npy'}: not a NumPy file (")
        assert message.endswith("); prepare the data again")
