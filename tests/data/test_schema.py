import dataclasses
import hashlib
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.data import schema
from symcere_jax.errors import DataError

MANIFEST = schema.Manifest(
    name="caf\u00e9",
    n_users=2,
    n_items=3,
    n_reviews=4,
    n_interactions={"train": 2, "valid": 1, "test": 1},
    k_core=1,
    split={"policy": "ratio", "seed": 0},
    source={"kind": "table", "files": []},
    dropped={},
    text_encoders={"lsa": {"width": 2}},
    files={"train.npy": {"sha256": "aa", "bytes": 1}, "test.npy": {"sha256": "bb", "bytes": 2}},
)


def _edit(folder, **entries):
    """Writes a manifest with some entries changed, or left out where None, and its checksum."""
    MANIFEST.write(folder)
    path = folder / schema.MANIFEST
    content = json.loads(path.read_text(encoding="utf-8")) | entries
    content = {name: value for name, value in content.items() if value is not None}
    if "checksum" not in entries:
        content.pop("checksum")
        ordered = json.dumps(content, sort_keys=True).encode()
        content["checksum"] = hashlib.sha256(ordered).hexdigest()
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_manifest_comes_back_as_written(tmp_path):
    MANIFEST.write(tmp_path)
    assert schema.Manifest.read(tmp_path) == MANIFEST


@pytest.mark.parametrize(
    ("entry", "value"),
    [("n_users", 1), ("k_core", 2), ("split", {"policy": "ratio", "seed": 1}), ("checksum", "aa")],
)
def test_a_manifest_that_was_changed_is_refused(tmp_path, entry, value):
    MANIFEST.write(tmp_path)
    path = tmp_path / schema.MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(dict(reversed(content.items()))))  # spacing and order do not matter
    assert schema.Manifest.read(tmp_path) == MANIFEST
    path.write_text(json.dumps(content | {entry: value}))
    with pytest.raises(DataError, match=r"manifest.json has changed since it was written; prepare"):
        schema.Manifest.read(tmp_path)


def test_a_split_policy_holds_until_an_entry_of_what_was_appended_says_otherwise():
    assert (MANIFEST.split_name, MANIFEST.ended_split_policy) == ("ratio", "")
    entries = [{"fingerprint": name} for name in "abc"]
    entries[1]["ends_split_policy"] = "too late"
    ended = dataclasses.replace(MANIFEST, source={"appended": entries})
    assert ended.ended_split_policy == "too late"
    assert ended.split_name == "ratio until reviews were appended"
    assert dataclasses.replace(MANIFEST, split={}).split_name == "–"


def test_a_folder_grew_from_what_was_appended_to():
    source = {"appended": [{"fingerprint": "a"}, {"fingerprint": "b"}]}
    manifest = dataclasses.replace(MANIFEST, source=source)
    assert all(map(manifest.grew_from, ["a", "b", manifest.fingerprint]))
    assert not manifest.grew_from("c")


# Runs in a process of its own: the encoding of files is fixed once Python has started.
SCRIPT = """
import locale, pathlib, sys
from symcere_jax.data.schema import Manifest

assert locale.getencoding() != "UTF-8"
folder = pathlib.Path(sys.argv[1])
manifest = Manifest.read(folder)
(folder / "manifest.json").unlink()
manifest.write(folder)
"""


def test_a_manifest_is_utf8_whatever_the_locale(tmp_path):
    MANIFEST.write(tmp_path)
    path = tmp_path / schema.MANIFEST
    before = path.read_bytes()
    assert '"name": "café"' in before.decode("utf-8")
    environment = os.environ | {
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], env=environment, check=True)
    assert path.read_bytes() == before


def test_a_folder_without_a_manifest(tmp_path):
    with pytest.raises(DataError, match=r"is not a prepared folder: it has no manifest\.json$"):
        schema.Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((content, r"not readable as JSON \(.*\); prepare")
          for content in (None, b"", b'{"name": ', b"\xff\xfe{}", b"n_users: 3")),
        *((content, "not the manifest of a prepared folder$")
          for content in (b"[]", b"3", b"null", b"{}", b'{"format": "web-app"}')),
    ],
)  # fmt: skip
def test_a_manifest_that_is_none(tmp_path, content, message):
    path = tmp_path / schema.MANIFEST
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=rf"manifest\.json: {message}"):
        schema.Manifest.read(tmp_path)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_another_format_version(tmp_path, version):
    _edit(tmp_path, format_version=version)
    with pytest.raises(DataError, match=f"format version {version}, this program reads 1; prepare"):
        schema.Manifest.read(tmp_path)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(schema.Manifest)])
def test_a_missing_malformed_or_unknown_entry(tmp_path, name):
    _edit(tmp_path, **{f"{name}s": 3})
    with pytest.raises(DataError, match=f"missing or unknown entries: {name}s; prepare"):
        schema.Manifest.read(tmp_path)
    _edit(tmp_path, **{name: None})
    with pytest.raises(DataError, match=f"missing or unknown entries: {name}; prepare"):
        schema.Manifest.read(tmp_path)
    _edit(tmp_path, **{name: ["a", "list"]})
    with pytest.raises(DataError, match=f"entry '{name}' is malformed; prepare"):
        schema.Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_users", -1),
        ("n_items", True),
        ("n_interactions", {"train": 2, "valid": 1}),
        ("n_interactions", {"train": 2, "valid": 1, "test": "1"}),
        ("n_interactions", {"train": 2, "valid": 1, "test": 1, "rest": 0}),
        ("dropped", {"outside the k-core": None}),
        ("statistics", {"words": 1.5}),
        ("files", {"train.npy": None}),
        ("files", {"train.npy": {"bytes": 1}}),
        ("files", {"train.npy": {"sha256": "aa"}}),
        ("files", {"train.npy": {"sha256": 3, "bytes": 1}}),
        ("files", {"train.npy": {"sha256": "aa", "bytes": -1}}),
        *(("source", {"appended": appended})
          for appended in ({}, "x", ["x"], [{}], [{"fingerprint": "a", "ends_split_policy": []}])),
        ("text_encoders", {"lsa": []}),
        ("text_encoders", {"lsa": {"dtype": "float32"}}),
        ("text_encoders", {"lsa": {"width": 2.5}}),
    ],
)  # fmt: skip
def test_an_entry_that_is_garbled_within(tmp_path, name, value):
    _edit(tmp_path, **{name: value})
    with pytest.raises(DataError, match=f"entry '{name}' is malformed; prepare"):
        schema.Manifest.read(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
ENTRIES = sorted({*MANIFEST.__dataclass_fields__, "format", "format_version", "checksum"})


@given(JSON, st.sampled_from(ENTRIES), st.none() | st.text(max_size=4))
def test_whatever_stands_in_an_entry_it_is_read_or_one_line(tmp_path_factory, value, name, inner):
    folder = tmp_path_factory.mktemp("fuzzed")
    if inner is not None:  # within the entry
        old = getattr(MANIFEST, name, None)
        value = {**(old if isinstance(old, dict) else {}), inner: value}
    _edit(folder, **{name: value})
    try:
        found = schema.Manifest.read(folder)
    except DataError as error:
        assert "\n" not in str(error) and str(error).startswith(str(folder))
    else:
        assert found.n_users >= 0 and found.n_interactions["train"] >= 0
        assert found.fingerprint
        assert isinstance(found.split_name, str) and isinstance(found.ended_split_policy, str)
        assert found.has_cold_split in (True, False)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_a_manifest_holds_is_one_line(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / schema.MANIFEST).write_bytes(content)
    with pytest.raises(DataError, match="prepare") as caught:
        schema.Manifest.read(folder)
    assert "\n" not in str(caught.value)


def test_a_fingerprint_is_made_of_the_content_and_stays_until_a_new_one_is_asked_for(tmp_path):
    anew = {"fingerprint": ""}
    others = {
        "name": "renamed",
        "dropped": {"k-core": 3},
        "files": dict(reversed(MANIFEST.files.items())),
    }
    for name, value in others.items():
        same = dataclasses.replace(MANIFEST, **{name: value}, **anew)
        assert same.fingerprint == MANIFEST.fingerprint
    changed = MANIFEST.files | {"test.npy": {"sha256": "bc", "bytes": 2}}
    renamed = {"train.npy": MANIFEST.files["train.npy"], "t.npy": MANIFEST.files["test.npy"]}
    for files in (changed, renamed):
        other = dataclasses.replace(MANIFEST, files=files, **anew)
        assert other.fingerprint != MANIFEST.fingerprint
        kept = dataclasses.replace(MANIFEST, files=files)
        assert kept.fingerprint == MANIFEST.fingerprint
        kept.write(tmp_path)
        assert schema.Manifest.read(tmp_path).fingerprint == MANIFEST.fingerprint


def test_file_entry(tmp_path):
    content = bytes(range(256)) * 5000  # more than a block
    (tmp_path / "file").write_bytes(content)
    assert schema.file_entry(tmp_path / "file") == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
