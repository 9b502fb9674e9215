"""The check binary finds nothing wrong with what prepare writes, and every kind of damage."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.preparation.check import CHECKS
from symcere_jax.preparation.check.splits import check_text_leaks
from symcere_jax.preparation.encode.add_features import add_text
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import EncodeSettings, PrepareSettings
from symcere_jax.preparation.split.split_settings import SPLIT_POLICIES
from tests import binaries
from tests.preparation.folders import problems

CHECK = Path(__file__).parents[3] / "data_prep" / "check.py"


def edit_manifest(folder: Path, **entries: object) -> None:
    dataclasses.replace(schema.Manifest.read(folder), **entries).write(folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "out"
    sizes = {"synthetic_users": 60, "synthetic_items": 25, "synthetic_reviews_per_user": 6.0}
    prepare(PrepareSettings(source="synthetic", output=folder, k_core=2, text_width=6, **sizes))
    return folder


@pytest.fixture
def folder(prepared, tmp_path) -> Path:
    return shutil.copytree(prepared, tmp_path / "copy")


def rewrite(folder: Path, name: str, array: np.ndarray | pa.Table) -> None:
    """Puts another content under a name, and its checksum into the manifest."""
    if isinstance(array, pa.Table):
        pq.write_table(array, folder / name)
    else:
        np.save(folder / name, array)
    files = schema.Manifest.read(folder).files
    edit_manifest(folder, files={**files, name: schema.file_entry(folder / name)})


def test_what_prepare_writes_is_sound(folder):
    assert problems(folder, encode=True) == []


@pytest.mark.parametrize("split", [policy for policy in SPLIT_POLICIES if policy != "predefined"])
def test_every_policy_is_sound(tmp_path, split):
    choices = {"split": split, "text_encoder": "none", "k_core": 2}
    if split != "cold_user":
        choices["min_history"] = 2
    prepare(
        PrepareSettings(
            source="synthetic", output=tmp_path / "o", synthetic_users=80, synthetic_items=30,
            **choices,
        )
    )  # fmt: skip
    assert problems(tmp_path / "o") == []


def test_a_changed_file_and_a_stray_one(folder):
    path = folder / "users.parquet"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    (folder / "notes.txt").write_text("")
    assert list(CHECKS["checksums"](ReviewDataset.load(folder))) == [
        "users.parquet: the checksum is not that of the manifest",
        "notes.txt is not in the manifest",
    ]


def test_a_held_out_edge_in_train(folder):
    train, test = np.load(folder / "train.npy"), np.load(folder / "test.npy")
    train[3] = test[0]
    rewrite(folder, "train.npy", train)
    found = problems(folder)
    assert "1 pairs of test.npy are in an earlier split too" in found
    assert "train.npy differs from the reviews of that split" in found


def with_column(folder: Path, name: str, column: str, change) -> None:
    """Gives a table another column, or none of that name."""
    table = pq.read_table(folder / name)
    place = table.column_names.index(column)
    values = change(table[column].to_pylist()) if change else None
    table = table.remove_column(place)
    rewrite(folder, name, table if values is None else table.add_column(place, column, values))


CHANGES = [
    ("items", "item_id", lambda ids: pa.array([ids[0], ids[0], *ids[2:]]), "missing, repeated or"),
    ("reviews", "user", lambda x: pa.array(x[::-1], pa.int32()), "not sorted by user and item"),
    (
        "reviews",
        "user",
        lambda x: pa.array([99, *x[1:]], pa.int32()),
        "a user is out of range 0 … ",
    ),
    ("reviews", "user", lambda x: pa.nulls(len(x), pa.int32()), "rows have no user"),
    ("reviews", "split", lambda x: pa.nulls(len(x), pa.string()), "rows have no split"),
    ("reviews", "split", lambda x: pa.array(["hidden"] * len(x)), "splits without a known name"),
    ("reviews", "text", lambda x: pa.array(range(len(x))), "missing or of another type: text"),
    ("reviews", "rating", None, "missing or of another type: rating"),
]


@pytest.mark.parametrize(("name", "column", "change", "message"), CHANGES)
def test_a_table_with_other_values_or_columns(folder, name, column, change, message):
    with_column(folder, f"{name}.parquet", column, change)
    assert any(
        f"{name}.parquet: " in problem and message in problem for problem in problems(folder)
    )


@pytest.mark.parametrize("rows", ["users", "items"])
def test_a_text_feature_that_owes_something_to_a_held_out_review(folder, rows):
    dataset = ReviewDataset.load(folder)
    features = np.array(dataset.text_features("lsa", rows))
    place = int(rows == "items")
    reviews = dataset.reviews(["user", "item", "split"])
    review = reviews["split"].to_pylist().index("test")
    row = reviews[("user", "item")[place]][review].as_py()
    features[row] += dataset.text_features("lsa", "reviews")[review]
    rewrite(folder, f"text/lsa/{rows}.npy", features)
    (problem,) = check_text_leaks(ReviewDataset.load(folder))
    assert f"features of 1 {rows} are not those of the training reviews" in problem


def test_vectors_of_items_that_were_made_elsewhere(folder, tmp_path):
    ids = ReviewDataset.load(folder).item_ids()
    vectors = np.random.default_rng(0).normal(size=(len(ids), 3)).astype(np.float32)
    pq.write_table(pa.table({"item_id": ids, "embedding": list(vectors)}), tmp_path / "v.parquet")
    settings = {"text_encoder": "precomputed", "text_embeddings": tmp_path / "v.parquet"}
    add_text(EncodeSettings(dataset=folder, **settings))
    assert problems(folder, encode=True) == []
    name = "text/precomputed/items.npy"
    features = np.load(folder / name)
    rewrite(folder, name, np.where(np.arange(len(ids))[:, None] == 2, np.nan, features))
    assert problems(folder) == [f"{name}: 1 rows are not finite"]
    rewrite(folder, name, features[1:])
    assert any(f"{name}: float32" in problem for problem in problems(folder))
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"\0")
    assert any(f"{name} is damaged" in problem for problem in problems(folder))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (None, "the manifest says k-core 5"),
        ({"policy": "cold_item"}, "--split=cold_item, but one of test has training reviews"),
        ({"policy": "leave_one_out"}, "a user has two reviews in test"),
        ({"policy": "global_time"}, "a review in train is later than one in test"),
        ({"policy": "temporal"}, "a review in train is later than one in test"),
        ({"policy": "ratio", "min_history": 99}, "in train, fewer than 99"),
        ({"policy": "by_hand"}, "unknown split policy, 'by_hand'"),
    ],
)
def test_a_split_or_a_core_that_is_not_what_the_manifest_says(folder, split, message):
    edit_manifest(folder, **({"split": split} if split else {"k_core": 5}))
    assert any(message in problem for problem in problems(folder))


def test_an_ended_policy_is_not_checked_and_that_is_said(folder):
    ends = "a review in train is later than one in test"
    source = {"appended": [{"fingerprint": "a", "ends_split_policy": ends}]}
    edit_manifest(folder, split={"policy": "temporal"}, source=source)
    assert problems(folder) == []
    with binaries.loaded("check") as check:
        checked = binaries.run(check, f"--dataset={folder}", "--noencode")
    assert (checked.status, checked.err) == (0, "")
    said = f"ok      split policy: temporal until reviews were appended, not checked ({ends})"
    assert said in checked.out.splitlines()
    edit_manifest(folder, split={"policy": "temporal", "min_history": 99})
    assert any("in train, fewer than 99" in problem for problem in problems(folder))


def test_the_exit_status_tells(folder):
    command = [sys.executable, str(CHECK), str(folder), "--noencode"]
    environment = {"PYTHONPATH": str(CHECK.parents[1]), "PATH": ""}
    sound = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.splitlines() == [f"ok      {name}" for name in CHECKS]
    (folder / "notes.txt").write_text("")
    with binaries.loaded("check") as check:
        odd = binaries.run(check, f"--dataset={folder}", "--noencode")
        assert binaries.run(check, f"--dataset={folder / 'nowhere'}").status == 1
    assert odd.status == 1
    assert odd.error == f"{folder}: 1 problems: notes.txt is not in the manifest"
    assert "FAILED  checksums" in odd.out


@pytest.mark.parametrize("name", ["users.parquet", "items.parquet", "reviews.parquet"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_damaged_table_is_found_and_never_a_traceback(folder, name, place, bit):
    path = folder / name
    whole = path.read_bytes()
    content = bytearray(whole)
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        assert f"{name}: the checksum is not that of the manifest" in problems(folder)
    finally:
        path.write_bytes(whole)


def test_a_split_by_time_of_reviews_without_time(folder):
    with_column(
        folder, "reviews.parquet", "timestamp", lambda time: pa.array([None, *time[1:]], pa.int64())
    )
    edit_manifest(folder, split={"policy": "temporal"})
    assert "the split is by time, but a review has none" in problems(folder)


@pytest.mark.parametrize(
    ("entry", "change", "message"),
    [
        ("dropped", {"lost": 7}, "raw rows are not"),
        ("n_interactions", {"test": 0}, "pairs over all splits"),
        ("statistics", {"raw_rows": 1}, "1 raw rows are not"),
        ("statistics", {"users_without_training_review": 99}, "users have no training review, the"),
        ("statistics", {"items_without_training_review": 99}, "items have no training review, the"),
    ],
)
def test_counts_that_do_not_match(folder, entry, change, message):
    if entry == "n_interactions":
        rewrite(folder, "test.npy", np.zeros((0, 2), np.int32))
    before = getattr(schema.Manifest.read(folder), entry)
    edit_manifest(folder, **{entry: before | change})
    assert any(message in problem for problem in problems(folder))


def test_settings_of_an_encoder_that_are_garbled(folder):
    described = schema.Manifest.read(folder).text_encoders["lsa"]
    edit_manifest(folder, text_encoders={"lsa": described | {"min_items": "two"}})
    assert any("cannot be checked" in problem for problem in problems(folder, encode=True))
