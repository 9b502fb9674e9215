import dataclasses
import json

import pytest

from symcere_jax.errors import CheckpointError
from symcere_jax.training.checkpoints import Metadata, Progress
from tests.training import problem

METADATA = Metadata(
    settings=problem.resolved(epochs=5, patience=3),
    dataset="shop",
    fingerprint="1234",
    n_users=3,
    n_items=4,
    batch_size=8,
    steps_per_epoch=10,
    progress=Progress(step=20, best_score=0.1 + 0.2, best_step=10, epoch_sums={"loss": 1e-300}),
)


def test_metadata_survives_json():
    content = json.loads(json.dumps(METADATA.as_dict()))
    assert Metadata.from_dict(content, "x") == METADATA


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"settings": {"learning_rat": 1.0}}, "learning_rat"),
        ({"settings": METADATA.settings.as_dict() | {"learning_rate": -1.0}}, "learning_rate"),
        ({"stray": 1}, "stray"),
        ({"progress": {"steps": 1}}, "steps"),
    ],
)
def test_metadata_of_another_version_is_refused(entry, message):
    with pytest.raises(CheckpointError, match=rf"x: metadata of another version \(.*{message}"):
        Metadata.from_dict(METADATA.as_dict() | entry, "x")


@pytest.mark.parametrize(
    ("progress", "complete"),
    [
        (Progress(49), False),
        (Progress(50), True),
        (Progress(40, epochs_without_gain=3), True),
        (Progress(41, epochs_without_gain=3), False),  # an epoch has begun
        (Progress(40, epochs_without_gain=2), False),
    ],
)
def test_when_a_run_is_complete(progress, complete):
    assert dataclasses.replace(METADATA, progress=progress).is_complete is complete


def test_another_prepared_folder_is_refused(dataset, dataset_without_text):
    described = dataclasses.replace(METADATA, fingerprint=dataset.fingerprint)
    described.check_dataset(dataset)
    with pytest.raises(CheckpointError) as caught:
        described.check_dataset(dataset_without_text)
    for fact in (dataset.fingerprint, dataset_without_text.fingerprint):
        assert fact in str(caught.value)
    assert str(dataset_without_text.folder) in str(caught.value)
