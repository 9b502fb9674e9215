import asyncio
import dataclasses
import gc
import logging
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint
import pytest

from symcere_jax.errors import CheckpointError, StorageError
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.checkpoints import (
    Checkpoints,
    Expert,
    Metadata,
    Progress,
    metadata,
    store,
)
from symcere_jax.training.checkpoints.contents import Contents
from symcere_jax.training.step import TrainState, build_optimizer
from tests.training import problem

PROGRESS = Progress(
    step=12,
    best_score=0.1 + 0.2,
    best_step=8,
    epochs_without_gain=1,
    epoch_sums={"loss": 1 / 3, "ranking": 1e-300},
)
EMBEDDINGS = {"users": np.full((3, 2), 0.1, np.float32), "item_bias": np.zeros(4, np.float32)}


def _state(step: int = 12) -> TrainState:
    """Parameters of several shapes, with the state of the real optimizer after a step."""
    rng = np.random.default_rng(step)
    shapes = {
        "graph_tower": {"embedding": (5, 3)},
        "text_tower": {"projection": {"kernel": (4, 3)}, "log_user_weight": ()},
    }
    draw = lambda shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)  # noqa: E731
    params = jax.tree.map(draw, shapes, is_leaf=lambda x: isinstance(x, tuple))
    optimizer = build_optimizer(_settings(), batch_size=256)
    _, opt_state = optimizer.update(params, optimizer.init(params), params)
    average = jax.tree.map(lambda leaf: leaf / 3, params)
    return TrainState(jnp.int32(step), params, opt_state, average)


def _settings() -> ResolvedSettings:
    return problem.resolved(learning_rate=0.1 + 0.2, normalize=False)


def _metadata(dataset, **progress) -> Metadata:
    return Metadata(
        settings=_settings(),
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        n_users=dataset.n_users,
        n_items=dataset.n_items,
        batch_size=128,
        steps_per_epoch=4,
        progress=dataclasses.replace(PROGRESS, **progress),
    )


def _save(checkpoints, dataset, step=12, best_step=8, **options) -> None:
    """A save of a run; what is best at a step follows from it."""
    described = _metadata(dataset, step=step, best_step=best_step)
    state, best = _state(step), _state(best_step).params
    parts = {"state": state, "best": best, "embeddings": EMBEDDINGS}
    checkpoints.save(parts, described, **options)


def _restore(checkpoints, like=None):
    """What training resumes from."""
    like = like or _state()
    metadata, parts = checkpoints.read(
        lambda _: {"state": like, "best": like.params}, delete_damaged=True
    )
    return metadata, parts["state"], parts["best"]


def _read(checkpoints, part):
    """One part as it is, by name or like the best parameters."""
    metadata, parts = checkpoints.read(
        lambda _: {part: _state().params if part == "best" else None}
    )
    return metadata, parts[part]


def _assert_equal(restored, expected) -> None:
    assert jax.tree.structure(restored) == jax.tree.structure(expected)
    for leaf, other in zip(jax.tree.leaves(restored), jax.tree.leaves(expected), strict=True):
        assert (leaf.dtype, leaf.shape) == (other.dtype, other.shape)
        assert np.asarray(leaf).tobytes() == np.asarray(other).tobytes()


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(tmp_path)


@pytest.fixture(scope="module")
def written(dataset, tmp_path_factory) -> Checkpoints:
    """Two saves, at steps 12 and 16, with the same best parameters; not to be changed."""
    checkpoints = Checkpoints(tmp_path_factory.mktemp("written"))
    for step in (12, 16):
        _save(checkpoints, dataset, step)
    return checkpoints


@pytest.fixture
def saved(written, tmp_path) -> Checkpoints:
    shutil.copytree(written.folder, tmp_path / store.FOLDER)
    return Checkpoints(tmp_path)


def _damage(folder, part) -> None:
    """Flips a bit of the largest file of a part."""
    path = max(
        (path for path in (folder / part).rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_is_saved_is_restored_bit_for_bit(saved, dataset):
    for like in (_state(), jax.eval_shape(_state)):
        described, state, best = _restore(saved, like)
        assert described == _metadata(dataset, step=16)
        _assert_equal(state, _state(16))
        _assert_equal(best, _state(8).params)
        assert all(
            leaf.devices() == {jax.local_devices()[0]} for leaf in jax.tree.leaves((state, best))
        )
    described, best = _read(saved, "best")
    assert described == saved.metadata() == _metadata(dataset, step=16)
    _assert_equal(best, _state(8).params)
    described, embeddings = _read(saved, "embeddings")
    assert described == _metadata(dataset, step=16)
    _assert_equal(embeddings, EMBEDDINGS)


@pytest.mark.parametrize("keep", [1, 2, 3, 9])
def test_the_newest_are_kept(checkpoints, dataset, keep):
    assert checkpoints.numbers() == []
    for step in (4, 12, 16, 20):
        _save(checkpoints, dataset, step, 4, keep=keep)
    assert checkpoints.numbers() == [0, 1, 2, 3][-keep:]
    assert {path.name for path in checkpoints.folder.iterdir()} == {
        str(number) for number in checkpoints.numbers()
    }
    assert checkpoints.metadata().progress.step == 20


def test_the_same_progress_is_saved_once(saved, dataset):
    _save(saved, dataset, 16)
    assert saved.numbers() == [0, 1]
    described = dataclasses.replace(
        _metadata(dataset, step=16), experts={"graph": Expert(0.5, 2.0, 0.25)}
    )
    parts = {"state": _state(16), "best": _state(8).params, "embeddings": EMBEDDINGS}
    saved.save(parts, described)
    assert saved.numbers() == [1, 2]
    assert saved.metadata().experts == described.experts


def test_a_save_that_is_cut_off_leaves_no_checkpoint(saved, dataset, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Contents, "write", interrupt)
        _save(saved, dataset, 20, 20)
    assert saved.numbers() == [0, 1]
    _assert_equal(_restore(Checkpoints(saved.folder.parent))[1], _state(16))
    leftover = saved.folder / "2.orbax-checkpoint-tmp"
    leftover.mkdir()
    _restore(saved)
    assert not leftover.exists()
    _save(saved, dataset, 20, 20)
    _assert_equal(_restore(saved)[1], _state(20))


def test_folders_of_the_user_stay(saved, dataset):
    mine = [saved.folder / name for name in ("backup", "0_old", "1.zip")]
    for folder in mine:
        folder.mkdir()
    _save(saved, dataset, 20, 20)
    for number in saved.numbers():  # half a folder is no checkpoint
        folder = saved.folder / str(number)
        folder.rename(folder.with_name(f"{number}.orbax-checkpoint-tmp-0"))
    assert saved.numbers() == []
    saved.clear()
    assert sorted(saved.folder.iterdir()) == sorted(mine)


def _readers(checkpoints):
    """Every way to read a checkpoint."""
    yield lambda: _restore(checkpoints)
    yield from (lambda part=part: _read(checkpoints, part) for part in ("best", "embeddings"))
    yield checkpoints.metadata


def test_a_missing_checkpoint_names_the_remedy(checkpoints):
    for read in _readers(checkpoints):
        with pytest.raises(CheckpointError, match=r"no checkpoint in .*launch/train.py --dataset="):
            read()
    assert not checkpoints.folder.exists()


@pytest.mark.parametrize("damage", ["state", "best", "contents"])
def test_the_one_before_a_damaged_one_serves_with_a_warning(saved, dataset, damage, caplog):
    newest = saved.folder / "1"
    if damage == "contents":
        path = newest / "contents.json"
        path.write_text(path.read_text().replace('"best_step": 8', '"best_step": 9'))
    else:
        _damage(newest, damage)
    described, state, best = _restore(saved)
    [record] = caplog.records
    assert re.search(r"1/.* damaged.*; .*/0 is used instead", record.getMessage())
    assert described == _metadata(dataset, step=12)
    _assert_equal(state, _state(12))
    _assert_equal(best, _state(8).params)
    # The run comes to that step again, and then writes what was damaged.
    assert saved.numbers() == [0]
    _save(saved, dataset, 16)
    _assert_equal(_restore(saved)[1], _state(16))


@pytest.mark.parametrize("part", ["best", "embeddings"])
def test_damaged_best_parameters_are_read_from_the_one_before(saved, dataset, part, caplog):
    _damage(saved.folder / "1", part)
    described, arrays = _read(saved, part)
    assert described == _metadata(dataset, step=12)
    _assert_equal(arrays, _state(8).params if part == "best" else EMBEDDINGS)
    assert re.search(rf"1/{part}/\S+ is .*damaged; .*/0 is used instead", caplog.text)
    assert saved.numbers() == [0, 1]  # reading deletes nothing


def test_all_damaged_is_an_error_that_names_the_remedy(saved):
    for number in ("0", "1"):
        for part in ("state", "embeddings"):
            _damage(saved.folder / number, part)
    message = r"1/\S+ is .* damaged, and no other .*: train again in another"
    for read in (lambda: _restore(saved), lambda: _read(saved, "embeddings")):
        with pytest.raises(CheckpointError, match=message):
            read()
    assert saved.numbers() == [0, 1]  # nothing is deleted then


def test_what_is_deleted_while_it_is_read_is_not_damaged(saved, dataset, monkeypatch, caplog):
    """Training continues: it writes a better one and deletes the one that is being read."""
    verify = Contents.verify
    folders = []

    def verify_late(contents, folder, part):
        folders.append(folder)
        if len(folders) == 1:  # its contents are read, its arrays are not
            _save(saved, dataset, 20, 20, keep=1)
        return verify(contents, folder, part)

    monkeypatch.setattr(Contents, "verify", verify_late)
    described, best = _read(saved, "best")
    assert [folder.name for folder in folders] == ["1", "2"]
    assert described.progress.best_step == 20
    _assert_equal(best, _state(20).params)
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (ValueError('RESOURCE_EXHAUSTED:\n "x": No space left on device [os_error_code=\'28\']'),
         "No space left on device"),
        (ValueError("some\nother"), "some other"),
    ],
)  # fmt: skip
def test_a_full_disk_is_one_line_and_leaves_the_last_good_one(
    saved, dataset, monkeypatch, error, reason
):
    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Contents, "write", fail)
        with pytest.raises(StorageError) as caught:
            _save(saved, dataset, 20, 20)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert re.search(f"/2: {re.escape(reason)}; .*/1 is kept: make room", message)
    assert {path.name for path in saved.folder.iterdir()} == {"0", "1"}
    _assert_equal(_restore(saved)[1], _state(16))


def test_only_the_first_failure_of_a_save_is_reported(saved, dataset, monkeypatch, caplog):
    def fail_twice(*_, **__):
        # As Orbax writes arrays: what the second one failed with is never asked for.
        loop = asyncio.new_event_loop()
        second = loop.create_future()
        second.set_exception(OSError(27, "File too large"))
        loop.close()
        del second
        gc.collect()
        raise OSError(27, "File too large")

    with monkeypatch.context() as patch:
        patch.setattr(orbax.checkpoint.Checkpointer, "save", fail_twice)
        for _ in range(2):  # the first failure may still be told: it comes before the save ends
            caplog.clear()
            with pytest.raises(StorageError):
                _save(saved, dataset, 20, 20)
    assert not caplog.records


def test_another_format_version_is_refused(checkpoints, dataset, monkeypatch):
    monkeypatch.setattr(metadata, "FORMAT_VERSION", 1)
    _save(checkpoints, dataset)
    monkeypatch.undo()
    for read in _readers(checkpoints):
        with pytest.raises(CheckpointError, match="format version 1, this program reads 3"):
            read()
    assert checkpoints.numbers() == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"graph_tower": {"embedding": jnp.zeros((5, 4))}}, r"\[5, 3\]\], must be .*\[5, 4\]\]"),
        ({"graph_tower": {"embedding": jnp.zeros((5, 3), jnp.int32)}}, "float32.* must be .*int32"),
        ({"popularity_weight": jnp.zeros(())}, r"popularity_weight is missing, must be "),
        ({"graph_tower": {}}, r"embedding is .*float32.*\[5, 3\]\], must be missing"),
    ],
)
def test_another_structure_is_refused(written, change, message):
    state = _state()
    other = dataclasses.replace(state, params=state.params | change)
    with pytest.raises(CheckpointError, match=f"not a checkpoint of this model: .*{message}"):
        written.read(lambda _: {"state": other}, delete_damaged=True)
    assert written.numbers() == [0, 1]


@pytest.mark.parametrize("damage", ["cut off", "one bit", "deleted"])
def test_a_damaged_file_never_goes_unnoticed(written, tmp_path, damage, capfd):
    """Whichever file of the only checkpoint it is: one line, or exactly what was saved."""
    shutil.copytree(written.folder / "0", tmp_path / "checkpoints" / "0")
    saved = Checkpoints(tmp_path)
    refused = set()
    files = [path for path in saved.folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert len(files) > 10
    for path in files:
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
            described, state, best = _restore(saved)
            _, embeddings = _read(saved, "embeddings")
        except CheckpointError as error:
            refused.add(path.relative_to(saved.folder / "0").parts[0])
            assert len(str(error).splitlines()) == 1
            assert re.search("damaged.*: train again in|no checkpoint in .*: train", str(error))
        else:
            assert described.progress == PROGRESS
            _assert_equal(state, _state(12))
            _assert_equal(best, _state(8).params)
            _assert_equal(embeddings, EMBEDDINGS)
        path.write_bytes(content)
    assert refused == {"state", "best", "embeddings", "contents.json"}
    assert capfd.readouterr() == ("", "")
    _assert_equal(_restore(saved)[1], _state(12))


def test_saving_and_restoring_is_quiet(saved, dataset, capfd, caplog):
    level = logging.getLogger("absl").level
    _save(saved, dataset, 20)
    _restore(saved)
    _read(saved, "best")
    _read(saved, "embeddings")
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("absl").level == level
