import asyncio
import dataclasses
import gc
import logging
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.errors import CheckpointError, StorageError
from symcere_jax.settings import Settings
from symcere_jax.training import checkpoint, contents, metadata
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
    optimizer = build_optimizer(Settings().train, batch_size=256)
    _, opt_state = optimizer.update(params, optimizer.init(params), params)
    average = jax.tree.map(lambda leaf: leaf / 3, params)
    return TrainState(jnp.int32(step), params, opt_state, average)


def _metadata(dataset, **progress) -> Metadata:
    progress = dataclasses.replace(PROGRESS, **progress)
    config = Settings(learning_rate=0.1 + 0.2, text_encoder="lsa", normalize=False)
    return Metadata.of(config, dataset, 4, progress, batch_size=128)


def _save(checkpoints, dataset, step=12, best_step=8, **options) -> None:
    """A save of a run; what is best at a step follows from it."""
    described = _metadata(dataset, step=step, best_step=best_step)
    checkpoints.save(_state(step), _state(best_step).params, described, **options)


def _restore(checkpoints):
    return checkpoints.restore(_state(), _state().params)


def _restore_best(checkpoints):
    return checkpoints.restore_best(lambda _: _state().params)


def _assert_equal(found, expected) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for leaf, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (leaf.dtype, leaf.shape) == (other.dtype, other.shape)
        assert np.asarray(leaf).tobytes() == np.asarray(other).tobytes()


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(tmp_path)


@pytest.fixture(scope="module")
def written(dataset, tmp_path_factory) -> Checkpoints:
    """Two saves, both of the same best; not to be changed."""
    checkpoints = Checkpoints(tmp_path_factory.mktemp("written"))
    for step in (12, 16):
        _save(checkpoints, dataset, step)
    return checkpoints


@pytest.fixture
def saved(written, tmp_path) -> Checkpoints:
    shutil.copytree(written.folder, tmp_path / checkpoint.FOLDER)
    return Checkpoints(tmp_path)


def _damage(folder, part="tree") -> None:
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
        found, state, best = saved.restore(like, like.params)
        assert found == _metadata(dataset, step=16)
        _assert_equal(state, _state(16))
        _assert_equal(best, _state(8).params)
        assert all(
            leaf.devices() == {jax.local_devices()[0]} for leaf in jax.tree.leaves((state, best))
        )
    found, best = _restore_best(saved)
    assert found.progress.best_step == 8
    _assert_equal(best, _state(8).params)


def test_metadata_is_restored_exactly(saved, dataset):
    for kind, step in (("latest", 16), ("best", 12)):
        found = saved.metadata(kind)
        assert found == _metadata(dataset, step=step)
        assert found.config.learning_rate == 0.1 + 0.2
        assert found.config == Settings(**found.settings)
        found.check_dataset(dataset)


def test_a_checkpoint_is_kept_under_its_step(checkpoints, dataset):
    assert checkpoints.steps("latest") == checkpoints.steps("best") == []
    _save(checkpoints, dataset)
    assert checkpoints.steps("latest") == [PROGRESS.step]
    assert checkpoints.steps("best") == [PROGRESS.best_step]


@pytest.mark.parametrize(
    ("keep", "latest", "best"),
    [(1, [20], [16]), (2, [16, 20], [8, 16]), (3, [12, 16, 20], [8, 16]), (9, [4, 12, 16, 20], [])],
)
def test_so_many_are_kept_and_the_best_of_each(checkpoints, dataset, keep, latest, best):
    for step, best_step in ((4, 4), (12, 8), (16, 8), (20, 16)):
        _save(checkpoints, dataset, step, best_step, keep=keep)
    assert checkpoints.steps("latest") == latest
    assert checkpoints.steps("best") == (best or [4, 8, 16])
    assert {path.name for path in checkpoints.folder.iterdir()} == {"latest", "best"}


def test_a_step_is_saved_once(saved, dataset):
    saved.save(_state(99), _state(99).params, _metadata(dataset, step=16))
    _assert_equal(_restore(saved)[1], _state(16))


def test_a_save_that_is_cut_off_leaves_no_checkpoint(saved, dataset, monkeypatch):
    """Wherever it is: what was there before serves, and the save can be done again."""

    def interrupt(*_):
        raise KeyboardInterrupt

    for kind in ("best", "latest"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            if kind == "latest":  # the best is written
                saved._write("best", 20, {"tree": _state(20).params}, _metadata(dataset))
            patch.setattr(contents, "write_contents", interrupt)
            _save(saved, dataset, 20, 20)
        assert saved.steps("latest") == [12, 16]
        _assert_equal(_restore(Checkpoints(saved.folder.parent))[1], _state(16))
    leftover = saved.folder / "latest" / "20.orbax-checkpoint-tmp"
    leftover.mkdir()
    _restore(saved)
    assert not leftover.exists()
    assert saved.steps("best") == [8]
    _save(saved, dataset, 20, 20)
    _assert_equal(_restore(saved)[1], _state(20))


def test_half_a_folder_is_no_checkpoint(saved):
    for folder in (saved.folder / "latest").iterdir():
        folder.rename(folder.with_name(f"{folder.name}.orbax-checkpoint-tmp-0"))
    assert saved.steps("latest") == []
    saved.clear()
    assert [list(folder.iterdir()) for folder in saved.folder.iterdir()] == [[], []]


@pytest.mark.parametrize("kind", ["latest", "best"])
def test_a_missing_checkpoint_names_the_remedy(checkpoints, kind):
    remedy = rf"no checkpoint in .*{kind}: train first, with python launch/train.py --dataset="
    read = _restore if kind == "latest" else _restore_best
    for attempt in (lambda: checkpoints.metadata(kind), lambda: read(checkpoints)):
        with pytest.raises(CheckpointError, match=remedy):
            attempt()
    assert not checkpoints.folder.exists()


@pytest.mark.parametrize("damage", ["tree", "metadata", "best", "contents"])
def test_the_one_before_a_damaged_one_serves_with_a_warning(saved, dataset, damage, caplog):
    newest = saved.folder / "latest" / "16"
    if damage == "contents":
        (newest / "contents.json").write_text("{")
    else:
        _damage(newest, damage)
    found, state, best = _restore(saved)
    [record] = caplog.records
    if damage == "best":  # which lies in best/8 too
        assert re.search(r"16/best/\S+ is missing or damaged; .*best/8 is used instead", record.msg
                         % record.args)  # fmt: skip
        assert saved.steps("latest") == [12, 16]
        return
    assert re.search(r"latest/16/.* damaged.*; .*latest/12 is used instead", record.getMessage())
    assert found == _metadata(dataset, step=12)
    _assert_equal(state, _state(12))
    _assert_equal(best, _state(8).params)
    # The run comes to that step again, and then writes what was damaged.
    assert saved.steps("latest") == [12]
    _save(saved, dataset, 16)
    _assert_equal(_restore(saved)[1], _state(16))


def test_a_damaged_best_is_read_from_the_latest_and_mended(saved, dataset, caplog):
    _damage(saved.folder / "best" / "8")
    found, best = _restore_best(saved)
    assert found.progress.best_step == 8
    _assert_equal(best, _state(8).params)
    assert re.search(r"best/8/\S+ is .*damaged; .*latest/16 is used instead", caplog.text)
    _assert_equal(_restore(saved)[2], _state(8).params)
    assert saved.steps("best") == []
    _save(saved, dataset, 16)
    caplog.clear()
    _assert_equal(_restore_best(saved)[1], _state(8).params)
    assert not caplog.records


def test_the_best_before_serves_where_nothing_of_the_newest_is_whole(saved, dataset, caplog):
    _save(saved, dataset, 20, 20)
    _damage(saved.folder / "best" / "20")
    _damage(saved.folder / "latest" / "20", "best")
    found, best = _restore_best(saved)
    assert found.progress.best_step == 8
    _assert_equal(best, _state(8).params)
    assert len(caplog.records) == 2


def test_all_damaged_is_an_error_that_names_the_remedy(saved):
    for step in ("12", "16"):
        _damage(saved.folder / "latest" / step)
    with pytest.raises(
        CheckpointError, match=r"16/\S+ is .* damaged, and no other .*: train again .*--warm_start="
    ):
        _restore(saved)
    assert saved.steps("latest") == [12, 16]  # nothing is deleted then
    for folder in (saved.folder / "best" / "8", *(saved.folder / "latest").iterdir()):
        _damage(folder, "metadata")
    with pytest.raises(CheckpointError, match="no other checkpoint is whole: train again in anoth"):
        _restore_best(saved)


def test_what_is_deleted_while_it_is_read_is_not_damaged(saved, dataset, monkeypatch, caplog):
    """Training goes on: it writes a better one and deletes the one that is being read."""
    verify = contents.verify
    calls = []

    def verify_late(folder, part):
        calls.append(folder)
        if len(calls) == 2:  # its metadata is read, its arrays are not
            _save(saved, dataset, 20, 20, keep=1)
        return verify(folder, part)

    monkeypatch.setattr(contents, "verify", verify_late)
    found, best = _restore_best(saved)
    assert [folder.name for folder in calls[:3]] == ["8", "8", "20"]
    assert found.progress.best_step == 20
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
        patch.setattr(contents, "write_contents", fail)
        with pytest.raises(StorageError) as caught:
            _save(saved, dataset, 20, 20)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert f"best/20: {reason}; the last good one, of step 16, is kept: make room" in message
    assert {path.name for path in (saved.folder / "best").iterdir()} == {"8"}
    _assert_equal(_restore(saved)[1], _state(16))


def test_what_else_failed_after_a_save_is_not_told(saved, dataset, monkeypatch, caplog):
    def fail_twice(*_):
        # As Orbax writes arrays: what the second one failed with is never asked for.
        loop = asyncio.new_event_loop()
        second = loop.create_future()
        second.set_exception(OSError(27, "File too large"))
        loop.close()
        del second
        gc.collect()
        raise OSError(27, "File too large")

    with monkeypatch.context() as patch:
        patch.setattr(contents, "write_contents", fail_twice)
        for _ in range(2):  # the first failure may still be told: it comes before the save ends
            caplog.clear()
            with pytest.raises(StorageError):
                _save(saved, dataset, 20, 20)
    assert not caplog.records


def test_another_format_version_is_refused(checkpoints, dataset, monkeypatch):
    monkeypatch.setattr(metadata, "FORMAT_VERSION", 2)
    _save(checkpoints, dataset)
    monkeypatch.undo()
    for read in (_restore, _restore_best, lambda it: it.metadata("latest")):
        with pytest.raises(
            CheckpointError, match="format version 2, this program reads 1; train again"
        ):
            read(checkpoints)
    assert checkpoints.steps("latest") == [12]


def test_a_checkpoint_without_a_copy_of_the_best_is_read(checkpoints, dataset):
    """As they were written before."""
    checkpoints._write("best", 8, {"tree": _state(8).params}, _metadata(dataset))
    checkpoints._write("latest", 12, {"tree": _state(12)}, _metadata(dataset))
    path = checkpoints.folder / "latest" / "12" / "contents.json"
    path.write_text(re.sub(r'"tree": \{(.*?)\}', r"\1", path.read_text(), count=1, flags=re.S))
    _, state, best = _restore(checkpoints)
    _assert_equal(state, _state(12))
    _assert_equal(best, _state(8).params)


def test_another_run_is_refused_and_nothing_deleted(saved):
    def refuse(_):
        raise CheckpointError("another run")

    with pytest.raises(CheckpointError, match="another run"):
        saved.restore(_state(), _state().params, refuse)
    with pytest.raises(CheckpointError, match="another run"):
        saved.restore_best(refuse)
    assert saved.steps("latest") == [12, 16]


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
def test_another_structure_is_refused(written, change, message):
    state = _state()
    other = dataclasses.replace(state, params=change(state.params))
    with pytest.raises(CheckpointError, match=f"not a checkpoint of this model: .*{message}"):
        written.restore(other, state.params)
    with pytest.raises(CheckpointError, match=f"not a checkpoint of this model: .*{message}"):
        written.restore_best(lambda _: other.params)


@pytest.mark.parametrize("damage", ["cut off", "one bit", "deleted"])
def test_a_damaged_file_never_goes_unnoticed(written, tmp_path, damage, capfd):
    """Whichever file of the only checkpoint it is: one line, or exactly what was saved."""
    shutil.copytree(written.folder / "latest" / "12", tmp_path / "checkpoints" / "latest" / "12")
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
            found, state, best = _restore(saved)
        except CheckpointError as error:
            refused.add(path.relative_to(saved.folder / "latest" / "12").parts[0])
            assert len(str(error).splitlines()) == 1
            assert re.search("damaged.*: train again in|no checkpoint in .*: train", str(error))
        else:
            assert found.progress == PROGRESS
            _assert_equal(state, _state(12))
            _assert_equal(best, _state(8).params)
        path.write_bytes(content)
    assert refused == {"tree", "best", "metadata", "contents.json"}
    assert capfd.readouterr() == ("", "")
    _assert_equal(_restore(saved)[1], _state(12))


def test_saving_and_restoring_is_quiet(saved, dataset, capfd, caplog):
    level = logging.getLogger("absl").level
    _save(saved, dataset, 20)
    _restore(saved)
    _restore_best(saved)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("absl").level == level
