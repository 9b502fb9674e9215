import dataclasses
import logging
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.config import Config
from symcere_jax.errors import CheckpointError
from symcere_jax.training import checkpoint
from symcere_jax.training.checkpoint import Checkpoints, Metadata, Progress
from symcere_jax.training.step import TrainState, build_optimizer

PROGRESS = Progress(
    step=12,
    best_score=0.1 + 0.2,
    best_step=8,
    epochs_without_gain=1,
    epoch_sums={"loss": 1 / 3, "ranking": 1e-300},
)


def _state(step: int = 12) -> TrainState:
    """Parameters of several shapes, with the state of the real optimiser after a step."""
    rng = np.random.default_rng(step)
    shapes = {
        "graph_tower": {"embedding": (5, 3)},
        "text_tower": {"projection": {"kernel": (4, 3)}, "user_weight": ()},
    }
    draw = lambda shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)  # noqa: E731
    params = jax.tree.map(draw, shapes, is_leaf=lambda x: isinstance(x, tuple))
    optimizer = build_optimizer(Config().train, batch_size=256)
    _, opt_state = optimizer.update(params, optimizer.init(params), params)
    average = jax.tree.map(lambda leaf: leaf / 3, params)
    return TrainState(jnp.int32(step), params, opt_state, average)


def _metadata(dataset, **progress) -> Metadata:
    progress = dataclasses.replace(PROGRESS, **progress)
    config = Config.of(learning_rate=0.1 + 0.2, text_encoder="lsa", normalize=False)
    return Metadata.of(config, dataset, steps_per_epoch=4, progress=progress)


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(tmp_path)


@pytest.fixture
def saved(checkpoints, dataset) -> Checkpoints:
    checkpoints.save("latest", _state(), _metadata(dataset))
    return checkpoints


def test_what_is_saved_is_restored_bit_for_bit(saved):
    state = _state()
    for like in (state, jax.eval_shape(lambda: state)):
        restored = saved.restore("latest", like)
        assert jax.tree.structure(restored) == jax.tree.structure(state)
        for leaf, expected in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True):
            assert (leaf.dtype, leaf.shape) == (expected.dtype, expected.shape)
            assert np.asarray(leaf).tobytes() == np.asarray(expected).tobytes()
            assert leaf.devices() == {jax.local_devices()[0]}


def test_metadata_is_restored_exactly(saved, dataset):
    metadata = saved.metadata("latest")
    assert metadata == _metadata(dataset)
    assert metadata.config.train.learning_rate == 0.1 + 0.2
    assert metadata.config == Config.of(**metadata.settings)
    metadata.check_dataset(dataset)


def test_a_checkpoint_is_kept_under_its_step(checkpoints, dataset):
    assert checkpoints.steps("latest") == checkpoints.steps("best") == []
    checkpoints.save("latest", _state(), _metadata(dataset))
    checkpoints.save("best", _state().params, _metadata(dataset))
    assert checkpoints.steps("latest") == [PROGRESS.step]
    assert checkpoints.steps("best") == [PROGRESS.best_step]


def test_the_newest_counts_until_the_others_are_deleted(checkpoints, dataset):
    for step in (12, 16):
        checkpoints.save("latest", _state(step), _metadata(dataset, step=step))
    assert checkpoints.steps("latest") == [12, 16]
    assert checkpoints.metadata("latest").progress.step == 16
    assert checkpoints.restore("latest", _state()).step == 16
    checkpoints.keep_only("latest", 12)
    assert checkpoints.restore("latest", _state()).step == 12
    checkpoints.keep_only("latest", None)
    assert checkpoints.steps("latest") == []


def test_a_step_is_saved_once(saved, dataset):
    other = dataclasses.replace(_state(), step=jnp.int32(99))
    saved.save("latest", other, _metadata(dataset))
    assert saved.restore("latest", other).step == 12


def test_a_save_that_is_cut_off_leaves_no_checkpoint(checkpoints, dataset, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write_contents", interrupt)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save("latest", _state(), _metadata(dataset))
    assert checkpoints.steps("latest") == []
    checkpoints.save("latest", _state(), _metadata(dataset))
    assert checkpoints.restore("latest", _state()).step == 12


def test_half_a_folder_is_no_checkpoint(saved):
    [folder] = (saved.folder / "latest").iterdir()
    folder.rename(folder.with_name("12.orbax-checkpoint-tmp-0"))
    assert saved.steps("latest") == []


@pytest.mark.parametrize("kind", ["latest", "best"])
def test_a_missing_checkpoint_names_the_remedy(checkpoints, kind):
    remedy = rf"no checkpoint in .*{kind}: train first, with python launch/train.py --workdir="
    with pytest.raises(CheckpointError, match=remedy):
        checkpoints.metadata(kind)
    with pytest.raises(CheckpointError, match=remedy):
        checkpoints.restore(kind, _state())


def test_another_format_version_is_refused(checkpoints, dataset, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 2)
    checkpoints.save("latest", _state(), _metadata(dataset))
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError, match="format version 2, this program reads 1; train again"
    ):
        checkpoints.metadata("latest")


@pytest.mark.parametrize(
    "settings", [{"learning_rat": 1.0}, {"learning_rate": -1.0}, {"learning_rate": "high"}]
)
def test_settings_of_another_version_are_refused(checkpoints, dataset, settings):
    metadata = dataclasses.replace(_metadata(dataset), settings=settings)
    checkpoints.save("latest", _state(), metadata)
    with pytest.raises(CheckpointError, match=r"metadata of another version \(.*learning_rat"):
        checkpoints.metadata("latest")


def _wider(params: dict) -> dict:
    return params | {"graph_tower": {"embedding": jnp.zeros((5, 4))}}


def _of_integers(params: dict) -> dict:
    return params | {"graph_tower": {"embedding": jnp.zeros((5, 3), jnp.int32)}}


def _with_an_array_more(params: dict) -> dict:
    return params | {"popularity_weight": jnp.zeros(())}


def _with_an_array_less(params: dict) -> dict:
    return {"text_tower": params["text_tower"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_wider, r"\['embedding'\] is float32\[5, 3\], must be float32\[5, 4\]"),
        (_of_integers, r"\['embedding'\] is float32\[5, 3\], must be int32\[5, 3\]"),
        (_with_an_array_more, r"\['popularity_weight'\] is missing, must be float32\[\]"),
        (_with_an_array_less, r"\['embedding'\] is float32\[5, 3\], must be missing"),
    ],
)
def test_another_structure_is_refused(saved, change, message):
    state = _state()
    other = dataclasses.replace(state, params=change(state.params))
    with pytest.raises(CheckpointError, match=f"not a checkpoint of this model: .*{message}"):
        saved.restore("latest", other)


def _files(saved: Checkpoints) -> list:
    files = [path for path in saved.folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert len(files) > 3
    return files


@pytest.mark.parametrize("damage", ["cut off", "one bit", "deleted"])
def test_a_damaged_file_never_goes_unnoticed(saved, damage, capfd):
    """Whichever file it is: one line that says so, or exactly what was saved."""
    state = _state()
    refused = set()
    for path in _files(saved):
        content = path.read_bytes()
        if damage == "deleted":
            path.unlink()
        elif damage == "cut off":
            path.write_bytes(content[: len(content) // 2])
        else:
            middle = len(content) // 2
            flipped = bytes([content[middle] ^ 1])
            path.write_bytes(content[:middle] + flipped + content[middle + 1 :])
        try:
            metadata = saved.metadata("latest")
            restored = saved.restore("latest", state)
        except CheckpointError as error:
            refused.add(path.relative_to(saved.folder / "latest" / "12").parts[0])
            assert len(str(error).splitlines()) == 1
            assert re.search(
                "damaged.*; delete it, or train|no checkpoint in .*: train", str(error)
            )
        else:
            assert metadata.progress == PROGRESS
            jax.tree.map(np.testing.assert_array_equal, restored, state)
        path.write_bytes(content)
    assert refused == {"tree", "metadata", "contents.json"}
    assert capfd.readouterr() == ("", "")
    assert saved.restore("latest", state).step == 12


def test_another_prepared_folder_is_refused(dataset, dataset_without_text):
    with pytest.raises(CheckpointError) as caught:
        _metadata(dataset).check_dataset(dataset_without_text)
    for fact in (
        dataset.fingerprint,
        dataset_without_text.fingerprint,
        str(dataset_without_text.folder),
        f"{dataset.n_users} users and {dataset.n_items} items",
    ):
        assert fact in str(caught.value)


def test_saving_and_restoring_is_quiet(saved, capfd, caplog):
    level = logging.getLogger("absl").level
    saved.metadata("latest")
    saved.restore("latest", _state())
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("absl").level == level
