import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import symcere_jax as sj
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import CheckpointError, ConfigError, DataError
from symcere_jax.evaluation.stored_scores import read_runs
from symcere_jax.preparation.encode.add_features import EncodeSettings, add_text
from symcere_jax.text import load_text_encoder
from symcere_jax.training import load_embeddings
from tests import binaries
from tests.preparation.folders import problems


@pytest.fixture
def folder(dataset, tmp_path) -> Path:
    return shutil.copytree(dataset.folder, tmp_path / "copy")


def test_features_side_by_side_are_stored_with_their_encoders(dataset, folder):
    vectors = np.random.default_rng(0).normal(size=(dataset.manifest.n_reviews, 7))
    np.save(folder.parent / "v.npy", vectors)
    settings = EncodeSettings(
        dataset=folder,
        text_encoder="lsa+precomputed",
        text_embeddings=folder.parent / "v.npy",
        text_name="both",
        text_width=12,
    )
    assert add_text(settings) == ("both", 19)
    added = ReviewDataset.load(folder)
    assert list(added.manifest.text_encoders) == ["lsa", "both"]
    assert added.text_features("both", "items").shape == (dataset.n_items, 19)
    assert not list(folder.glob(".*"))
    assert problems(added, encode=True) == []
    with pytest.raises(DataError, match="have no encoder"):
        load_text_encoder(added, "both")
    before = dataset.text_features("lsa", "items").tobytes()
    assert added.text_features("lsa", "items").tobytes() == before


def test_items_without_training_reviews_have_the_vectors_that_are_given(rows, write_rows, tmp_path):
    vectors = {"item_id": [f"i{n:02}" for n in range(12)], "embedding": list(np.eye(12))}
    pq.write_table(pa.table(vectors), tmp_path / "items.parquet")
    options = {"k_core": 1, "split": "cold_item", "test_share": 0.3, "warm_share": 0}
    data = sj.prepare(
        write_rows(rows),
        tmp_path / "data",
        text_encoder="lsa+precomputed",
        text_embeddings=tmp_path / "items.parquet",
        text_width=4,
        **options,
    )
    assert (data.item_counts() == 0).any()
    given = np.asarray(data.text_features("lsa+precomputed", "items"))[:, -12:]
    np.testing.assert_allclose(given, np.eye(12) / np.sqrt(2), atol=1e-6)
    assert problems(data, encode=True) == []


def test_what_was_made_before_stays_good_until_features_are_replaced(dataset, folder, trained_run):
    options = {"dataset": folder, "text_encoder": "lsa", "text_name": "small"}
    add_text(EncodeSettings(**options, text_width=6))
    add_text(EncodeSettings(**options | {"text_name": "smaller"}, text_width=4))
    added = ReviewDataset.load(folder)
    assert added.fingerprint == dataset.fingerprint
    before, after = (load_embeddings(trained_run, one)[0] for one in (dataset, added))
    np.testing.assert_array_equal(before.items, after.items)
    [run] = read_runs([trained_run], added, "test", "ndcg@10")
    assert run.values.shape[0] == 1
    add_text(EncodeSettings(**options, text_width=5, overwrite=True))
    replaced = ReviewDataset.load(folder)
    assert replaced.fingerprint != added.fingerprint
    with pytest.raises(CheckpointError, match="train again"):
        load_embeddings(trained_run, replaced)


def test_features_that_a_held_out_review_changed_are_found(dataset, folder):
    features = np.array(dataset.text_features("lsa", "items"))
    features[3] += dataset.text_features("lsa", "reviews")[5]
    name = schema.text_file("lsa", "items")
    np.save(folder / name, features)
    files = {**dataset.manifest.files, name: schema.file_entry(folder / name)}
    manifest = dataclasses.replace(dataset.manifest, files=files)
    leaky = dataclasses.replace(dataset, folder=folder, manifest=manifest)
    assert any(
        "lsa: features of 1 items are not those" in text for text in problems(leaky, encode=True)
    )


def test_what_is_there_is_replaced_on_demand_alone(folder):
    with pytest.raises(ConfigError, match="has text features 'lsa'; replace them with --overwrite"):
        add_text(EncodeSettings(dataset=folder))
    add_text(EncodeSettings(dataset=folder, text_width=5, overwrite=True))
    dataset = ReviewDataset.load(folder)
    assert dataset.text_features("lsa", "users").shape[1] == 5
    assert problems(dataset, encode=True) == []


def test_a_folder_of_the_user_under_the_name_of_features_stays(folder):
    mine = folder / "text" / "mine" / "notes"
    mine.parent.mkdir()
    mine.write_text("")
    with pytest.raises(ConfigError, match="notes does not belong to the features"):
        add_text(EncodeSettings(dataset=folder, text_name="mine", text_width=5))
    assert mine.exists()


def test_a_failure_leaves_the_folder_as_it_was(folder, encoder, monkeypatch):
    def contents():
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def fail(reviews, announce):
        raise KeyboardInterrupt

    before = contents()
    monkeypatch.setattr(encoder, "encode", fail)
    with pytest.raises(KeyboardInterrupt):
        add_text(EncodeSettings(dataset=folder), encoder=encoder)
    assert contents() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_encoder": "lsa+bert"}, "--text_encoder is 'lsa.bert', must be none, or of lsa"),
        ({"text_encoder": "lsa+lsa"}, "--text_encoder is 'lsa.lsa'"),
        ({"text_encoder": "none"}, "--text_encoder=none adds nothing"),
        ({"text_model": "x"}, "--text_model is given, but --text_encoder=lsa does not use it"),
        ({"ray_address": "auto"}, "--ray_address is given, but"),
        ({"text_embeddings": Path("x")}, "--text_embeddings is given, but"),
        ({"text_batch_tokens": -1}, "--text_batch_tokens is -1"),
        ({"text_name": "../up"}, "--text_name is '../up', must be a plain folder name"),
        ({"text_name": "auto"}, "--text_name is 'auto'"),
        ({"dataset": None}, "--dataset is None"),
        ({"seed": -1}, "--seed is -1"),
    ],
)
def test_a_bad_setting_is_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        EncodeSettings(**({"dataset": Path("x")} | settings))


def test_the_binary(folder):
    with binaries.loaded("encode") as encode:
        small = ("--text_encoder=lsa", "--text_name=small", "--text_width=4")
        done = binaries.run(encode, f"--dataset={folder}", *small)
        wrong = binaries.run(encode, f"--dataset={folder}", "--text_encoder=transformer")
    assert (done.status, done.out) == (0, f"{folder}: text features 'small', 4 wide\n")
    assert wrong.status == 1
    assert wrong.error.startswith("--text_encoder=transformer needs --text_model")


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_killed_while_features_are_replaced_the_folder_is_sound(folder, monkeypatch, kept):
    """Each change of the folder is one step; the kill comes after some of them."""
    settings = EncodeSettings(dataset=folder, text_width=5, overwrite=True)
    done = []
    rename, replace, remove = Path.rename, Path.replace, shutil.rmtree

    def step(change):
        def counted(path, *arguments, **keywords):
            inside = folder in Path(path).parents and "scratch" not in str(path)
            if inside and not (change is remove and Path(path).name.startswith(".")):
                if len(done) == kept:
                    raise SystemExit("killed")
                done.append(path)
            return change(path, *arguments, **keywords)

        return counted

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="killed"):
        patch.setattr(Path, "rename", step(rename))
        patch.setattr(Path, "replace", step(replace))
        patch.setattr(shutil, "rmtree", step(remove))
        add_text(settings)
    assert len(done) == kept
    found = ReviewDataset.load(folder)  # whole, with or without the features
    if "lsa" in found.manifest.text_encoders:
        found.text_features("lsa", "users")
    assert add_text(settings) == ("lsa", 5)
    assert problems(folder, encode=True) == []
