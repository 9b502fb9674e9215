"""The check binary finds nothing wrong with what prepare writes, and every kind of damage."""

import dataclasses
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
from symcere_jax.preparation.check import CHECKS, problems_of
from symcere_jax.preparation.check.text_leaks import check_text_leaks
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.split.split_settings import SPLIT_POLICIES

CHECK = Path(__file__).parents[3] / "data_prep" / "check.py"


def problems(folder: Path, encode: bool = False) -> list[str]:
    dataset = ReviewDataset.load(folder)
    checks = [*CHECKS.values(), *([check_text_leaks] if encode else [])]
    return [problem for check in checks for problem in problems_of(dataset, check)]


def edit_manifest(folder: Path, **entries: object) -> None:
    dataclasses.replace(schema.Manifest.read(folder), **entries).write(folder)


@pytest.fixture(scope="module")
def preparation(tmp_path_factory) -> PrepareSettings:
    return PrepareSettings(
        source="synthetic",
        output=tmp_path_factory.mktemp("prepared") / "out",
        synthetic_users=60,
        synthetic_items=25,
        synthetic_reviews_per_user=6.0,
        k_core=2,
        text_width=6,
    )


@pytest.fixture
def folder(preparation, tmp_path) -> Path:
    if not preparation.output.exists():
        prepare(preparation)
    copy = tmp_path / "copy"
    for path in sorted(preparation.output.rglob("*")):
        target = copy / path.relative_to(preparation.output)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return copy


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
        "users.parquet has another checksum than the manifest says",
        "notes.txt is not in the manifest",
    ]


def test_a_held_out_edge_in_train(folder):
    train, test = np.load(folder / "train.npy"), np.load(folder / "test.npy")
    train[3] = test[0]
    rewrite(folder, "train.npy", train)
    found = problems(folder)
    assert "1 pairs of test.npy are in an earlier split too" in found
    assert "train.npy differs from the reviews of that split" in found


def test_ids_that_repeat(folder):
    table = pq.read_table(folder / "items.parquet")
    ids = table["item_id"].to_pylist()
    table = table.set_column(1, "item_id", pa.array([ids[0], ids[0], *ids[2:]]))
    rewrite(folder, "items.parquet", table)
    assert problems(folder) == ["items.parquet: ids are missing, repeated or not sorted"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda user: user[::-1], "not sorted by user and item"),
        (lambda user: np.where(user == 3, 99, user), "a user is out of range 0 … "),
    ],
)
def test_reviews_that_are_not_in_order_or_range(folder, change, message):
    table = pq.read_table(folder / "reviews.parquet")
    user = pa.array(change(table["user"].to_numpy()).astype(np.int32))
    rewrite(folder, "reviews.parquet", table.set_column(0, "user", user))
    assert any(message in problem for problem in problems(folder))


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


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"policy": "cold_item"}, "--split=cold_item, but one of test has training reviews"),
        ({"policy": "leave_one_out"}, "a user has two reviews in test"),
        ({"policy": "global_time"}, "a review in train is later than one in test"),
        ({"policy": "temporal"}, "a review in train is later than one in test"),
        ({"policy": "ratio", "min_history": 99}, "in train, fewer than 99"),
        ({"policy": "by_hand"}, "unknown split policy, 'by_hand'"),
    ],
)
def test_a_split_that_is_not_what_the_manifest_says(folder, split, message):
    edit_manifest(folder, split=split)
    assert any(message in problem for problem in problems(folder))


def test_an_ended_policy_is_not_checked_and_that_is_said(folder):
    ends = "a review in train is later than one in test"
    source = {"appended": [{"fingerprint": "a", "ends_split_policy": ends}]}
    edit_manifest(folder, split={"policy": "temporal"}, source=source)
    assert problems(folder) == []
    checked = run(str(folder), "--noencode")
    assert (checked.returncode, checked.stderr) == (0, "")
    said = f"ok      split policy: temporal until reviews were appended, not checked ({ends})"
    assert said in checked.stdout.splitlines()
    edit_manifest(folder, split={"policy": "temporal", "min_history": 99})
    assert any("in train, fewer than 99" in problem for problem in problems(folder))


def test_a_core_that_is_not_one(folder):
    edit_manifest(folder, k_core=5)
    assert any("the manifest says k-core 5" in problem for problem in problems(folder))


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(CHECK), *arguments]
    environment = {"PYTHONPATH": str(CHECK.parents[1]), "PATH": ""}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_exit_status_tells(folder):
    sound = run(str(folder), "--noencode")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.splitlines() == [f"ok      {name}" for name in CHECKS]
    (folder / "notes.txt").write_text("")
    odd = run(f"--dataset={folder}", "--noencode")
    assert odd.returncode == 1
    assert odd.stderr == f"error: {folder}: 1 problems: notes.txt is not in the manifest\n"
    assert "FAILED  checksums" in odd.stdout
    assert run(str(folder / "nowhere")).returncode == 1


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
        assert f"{name} has another checksum than the manifest says" in problems(folder)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("user", lambda n: pa.nulls(n, pa.int32()), "rows have no user"),
        ("split", lambda n: pa.nulls(n, pa.string()), "rows have no split"),
        ("split", lambda n: pa.array(["hidden"] * n), "splits without a known name"),
        ("text", lambda n: pa.array(range(n)), "missing or of another type: text"),
        ("rating", None, "missing or of another type: rating"),
    ],
)
def test_a_table_with_other_columns(folder, column, values, message):
    table = pq.read_table(folder / "reviews.parquet")
    place = table.column_names.index(column)
    table = table.remove_column(place)
    if values:
        table = table.add_column(place, column, values(len(table)))
    rewrite(folder, "reviews.parquet", table)
    assert any(message in problem for problem in problems(folder))


def test_a_split_by_time_of_reviews_without_time(folder):
    table = pq.read_table(folder / "reviews.parquet")
    times = [None, *table["timestamp"].to_pylist()[1:]]
    place = table.column_names.index("timestamp")
    table = table.set_column(place, "timestamp", pa.array(times, pa.int64()))
    rewrite(folder, "reviews.parquet", table)
    edit_manifest(folder, split={"policy": "temporal"})
    assert "the split goes by time, but a review has none" in problems(folder)


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
