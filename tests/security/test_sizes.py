"""What a file claims of its size is checked before memory is taken for it."""

import dataclasses
import gzip
import json
import resource
import struct
import subprocess
import sys

import numpy as np
import pytest

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.data.dataset import load_array
from symcere_jax.errors import CheckpointError, DataError
from symcere_jax.text.hub.weights import open_weights
from symcere_jax.training.checkpoints.contents import Contents

HUGE = 10**12


def _change_manifest(dataset, folder, **entries) -> None:
    """A prepared folder with another manifest, whose checksum is right."""
    for name in dataset.manifest.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(dataset.folder / name)
    dataclasses.replace(dataset.manifest, **entries).write(folder)


@pytest.mark.parametrize("entry", ["n_users", "n_items", "n_reviews"])
def test_a_manifest_of_a_million_millions(dataset, tmp_path, entry):
    _change_manifest(dataset, tmp_path, **{entry: HUGE})
    with pytest.raises(DataError, match=r"is 1000000000000, but there are|expected 1000000000000"):
        ReviewDataset.load(tmp_path).reviews(["user"])


def test_interactions_and_widths_of_a_million_millions(dataset, tmp_path):
    for name, entries in {
        "pairs": {"n_interactions": {**dataset.manifest.n_interactions, "train": HUGE}},
        "width": {"text_encoders": {"lsa": {"width": HUGE, "dtype": "float32"}}},
    }.items():
        _change_manifest(dataset, tmp_path / name, **entries)
        with pytest.raises(DataError, match="1000000000000"):
            ReviewDataset.load(tmp_path / name).text_features("lsa", "users")


@pytest.mark.parametrize(
    "name", ["../other/users.parquet", "/etc/passwd", "text/../../x", "..", ""]
)
def test_names_that_lead_out_of_a_prepared_folder(dataset, tmp_path, name):
    (tmp_path / "inside").mkdir()
    files = {**dataset.manifest.files, name: {"sha256": "x", "bytes": 1}}
    encoders = {**dataset.manifest.text_encoders, name: {"width": 1}}
    for entry in ({"files": files}, {"text_encoders": encoders}):
        dataclasses.replace(dataset.manifest, **entry).write(tmp_path / "inside")
        with pytest.raises(DataError, match="is malformed"):
            ReviewDataset.load(tmp_path / "inside")


def _npy(shape: str, dtype: str = "<f4", length: int | None = None) -> bytes:
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    size = len(header) if length is None else length
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", size) + header + b"\0" * 64


@pytest.mark.parametrize(
    "content",
    [
        _npy(f"({HUGE},)"),
        _npy(f"({HUGE}, {HUGE}, {HUGE})"),
        _npy("(-1,)"),
        _npy("(2,)", dtype=f"<U{2**30}"),
        _npy("(2,)", length=2**32 - 1),
        _npy("(" + "1," * 20_000 + ")"),
    ],
    ids=["long", "beyond 64 bits", "negative", "wide", "header", "dimensions"],
)
def test_headers_of_arrays_that_claim_too_much(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npy: not a NumPy file"):
        load_array(tmp_path / "x.npy")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000])
def test_json_that_is_too_deep_or_too_long(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError):
        schema.Manifest.read(tmp_path)
    (tmp_path / "contents.json").write_text(text)
    with pytest.raises(CheckpointError):
        Contents.read(tmp_path)


def test_a_manifest_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(1 << 40)  # without taking any room
    with pytest.raises(DataError, match="too large for a manifest"):
        schema.Manifest.read(tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<Q", 2**62),
        struct.pack("<Q", 90) + json.dumps(
            {"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}
        ).encode().ljust(90),
    ],
    ids=["header", "tensor"],
)  # fmt: skip
def test_weights_that_claim_too_much(tmp_path, header):
    (tmp_path / "model.safetensors").write_bytes(header)
    with pytest.raises(DataError, match="not readable as safetensors"), open_weights(tmp_path):
        pass


# Reads a file in at most so much more memory than the program itself takes.
PREPARE = """
import resource, sys
from pathlib import Path
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.errors import DataError
from symcere_jax.preparation.read.formats import delimited, json_lines
delimited._MAX_LINE_BYTES = json_lines._MAX_LINE_BYTES = 1 << 25  # it takes less time so
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    prepare(PrepareSettings(source="table", input=Path(sys.argv[1]), output=Path(sys.argv[2]),
                          text_encoder="none", on_bad_row="skip", max_bad_share=1.0))
except DataError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.parametrize("name", ["bomb.jsonl.gz", "bomb.csv.gz"])
def test_a_bomb_is_unpacked_no_further_than_a_line_can_be_long(request, tmp_path, name):
    """Half a GiB of one letter in half a MiB."""
    path = tmp_path / name
    chunk = gzip.compress(b"a" * (1 << 27))
    path.write_bytes(gzip.compress(b"user_id,item_id,rating,text\n") + chunk * 4)
    command = [sys.executable, "-c", PREPARE, str(path), str(tmp_path / "out")]
    environment = {"PYTHONPATH": str(request.config.rootpath), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    *messages, mebibytes = done.stdout.splitlines()
    assert messages and name in messages[0]
    assert int(mebibytes) < 300, done.stdout
    assert not (tmp_path / "out").exists()


def test_the_memory_of_this_process_stays_what_it_was():
    """None of what was claimed above was taken: the largest claim is a million times this."""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8 << 20
    with pytest.raises((MemoryError, ValueError)):
        np.empty(HUGE * HUGE)
