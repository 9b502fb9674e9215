import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.errors import CheckpointError
from symcere_jax.settings import Settings
from symcere_jax.training.metadata import Metadata, Progress

METADATA = Metadata(
    settings=Settings(epochs=5, patience=3).as_dict(),
    dataset="shop",
    fingerprint="abc",
    n_users=4,
    n_items=3,
    steps_per_epoch=10,
    progress=Progress(20, 0.1 + 0.2, 10, 1, {"loss": 1 / 3}),
    batch_size=128,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def test_json_and_back():
    content = json.loads(json.dumps(METADATA.content()))
    assert Metadata.of_content(content, "x") == METADATA
    del content["batch_size"]  # as it was before
    assert Metadata.of_content(content, "x") == dataclasses.replace(METADATA, batch_size=None)


@given(JSON, st.sampled_from([*METADATA.content(), "other"]), st.booleans())
def test_whatever_stands_in_an_entry_it_is_read_or_one_line(value, name, inner):
    content = json.loads(json.dumps(METADATA.content()))
    if inner and isinstance(content.get(name), dict):
        key = min(content[name])
        content[name][key] = value
    else:
        content[name] = value
    _read_or_refuse(content)


@given(JSON)
def test_any_json_is_read_or_one_line(content):
    _read_or_refuse(content)


def _read_or_refuse(content) -> None:
    try:
        found = Metadata.of_content(content, "the/checkpoint")
    except CheckpointError as error:
        assert str(error).startswith("the/checkpoint: ")
        assert "train again" in str(error)
    else:
        assert found.progress.step >= found.progress.best_step >= 0
        assert found.n_users > 0 and found.steps_per_epoch > 0
        assert isinstance(found.config, Settings)
        assert found.is_complete in (True, False)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"settings": {"learning_rat": 1.0}}, "learning_rat"),
        ({"settings": {"learning_rate": -1.0}}, "learning_rate"),
        ({"settings": {"learning_rate": "high"}}, "learning_rate"),
        ({"n_users": 0}, "n_users is 0"),
        ({"n_items": True}, "n_items is True"),
        ({"steps_per_epoch": 1.5}, "steps_per_epoch is 1.5"),
        ({"progress": {"step": 1, "best_step": 2}}, "best_step is 2, step is 1"),
        ({"progress": {"best_score": float("nan")}}, "best_score is nan"),
        ({"progress": {"epoch_sums": {"loss": float("inf")}}}, "loss is inf"),
        ({"dataset": None}, "dataset is no text"),
        ({"stray": 1}, "stray"),
    ],
)
def test_what_cannot_be_is_refused(entry, message):
    with pytest.raises(CheckpointError, match=rf"metadata of another version \(.*{message}"):
        Metadata.of_content(METADATA.content() | entry, "x")


@pytest.mark.parametrize(
    ("progress", "complete"),
    [
        (Progress(49), False),
        (Progress(50), True),
        (Progress(40, epochs_without_gain=3), True),
        (Progress(41, epochs_without_gain=3), False),  # it goes on: an epoch has begun
        (Progress(40, epochs_without_gain=2), False),
    ],
)
def test_when_a_run_is_complete(progress, complete):
    assert dataclasses.replace(METADATA, progress=progress).is_complete is complete


def test_another_prepared_folder_is_refused(dataset, dataset_without_text):
    described = Metadata.of(Settings(), dataset, 4, Progress())
    described.check_dataset(dataset)
    with pytest.raises(CheckpointError) as caught:
        described.check_dataset(dataset_without_text)
    for fact in (
        dataset.fingerprint,
        dataset_without_text.fingerprint,
        str(dataset_without_text.folder),
        f"{dataset.n_users} users and {dataset.n_items} items",
    ):
        assert fact in str(caught.value)
