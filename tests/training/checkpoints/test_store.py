import asyncio
import dataclasses
import gc
import logging
import re

import jax
import orbax.checkpoint
import pytest

from symcere_jax.errors import CheckpointError, StorageError
from symcere_jax.training.checkpoints import Checkpoints, Expert
from symcere_jax.training.checkpoints.contents import Contents

from . import saves


def test_what_is_saved_is_restored_bit_for_bit(saved, dataset):
    for like in (saves.make_state(), jax.eval_shape(saves.make_state)):
        described, state, best = saves.restore(saved, like)
        assert described == saves.described(dataset, step=16)
        saves.assert_equal(state, saves.make_state(16))
        saves.assert_equal(best, saves.make_state(8).params)
        assert all(
            leaf.devices() == {jax.local_devices()[0]} for leaf in jax.tree.leaves((state, best))
        )
    described, best = saves.read(saved, "best")
    assert described == saved.metadata() == saves.described(dataset, step=16)
    saves.assert_equal(best, saves.make_state(8).params)
    described, embeddings = saves.read(saved, "embeddings")
    assert described == saves.described(dataset, step=16)
    saves.assert_equal(embeddings, saves.EMBEDDINGS)


@pytest.mark.parametrize("keep", [1, 2, 3, 9])
def test_the_newest_are_kept(checkpoints, dataset, keep):
    assert checkpoints.numbers() == []
    for step in (4, 12, 16, 20):
        saves.save(checkpoints, dataset, step, 4, keep=keep)
    assert checkpoints.numbers() == [0, 1, 2, 3][-keep:]
    assert {path.name for path in checkpoints.folder.iterdir()} == {
        str(number) for number in checkpoints.numbers()
    }
    assert checkpoints.metadata().progress.step == 20


def test_the_same_progress_is_saved_once(saved, dataset):
    saves.save(saved, dataset, 16)
    assert saved.numbers() == [0, 1]
    described = dataclasses.replace(
        saves.described(dataset, step=16), experts={"graph": Expert(0.5, 2.0, 0.25)}
    )
    parts = {
        "state": saves.make_state(16),
        "best": saves.make_state(8).params,
        "embeddings": saves.EMBEDDINGS,
    }
    saved.save(parts, described)
    assert saved.numbers() == [1, 2]
    assert saved.metadata().experts == described.experts


def test_a_save_that_is_cut_off_leaves_no_checkpoint(saved, dataset, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Contents, "write", interrupt)
        saves.save(saved, dataset, 20, 20)
    assert saved.numbers() == [0, 1]
    saves.assert_equal(saves.restore(Checkpoints(saved.folder.parent))[1], saves.make_state(16))
    leftover = saved.folder / "2.orbax-checkpoint-tmp"
    leftover.mkdir()
    saves.restore(saved)
    assert not leftover.exists()
    saves.save(saved, dataset, 20, 20)
    saves.assert_equal(saves.restore(saved)[1], saves.make_state(20))


def test_folders_of_the_user_stay(saved, dataset):
    mine = [saved.folder / name for name in ("backup", "0_old", "1.zip")]
    for folder in mine:
        folder.mkdir()
    saves.save(saved, dataset, 20, 20)
    for number in saved.numbers():  # half a folder is no checkpoint
        folder = saved.folder / str(number)
        folder.rename(folder.with_name(f"{number}.orbax-checkpoint-tmp-0"))
    assert saved.numbers() == []
    saved.clear()
    assert sorted(saved.folder.iterdir()) == sorted(mine)


def test_a_missing_checkpoint_names_the_remedy(checkpoints):
    for read in saves.readers(checkpoints):
        with pytest.raises(CheckpointError, match=r"no checkpoint in .*launch/train.py --dataset="):
            read()
    assert not checkpoints.folder.exists()


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
            saves.save(saved, dataset, 20, 20)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert re.search(f"/2: {re.escape(reason)}; .*/1 is kept: make room", message)
    assert {path.name for path in saved.folder.iterdir()} == {"0", "1"}
    saves.assert_equal(saves.restore(saved)[1], saves.make_state(16))


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
                saves.save(saved, dataset, 20, 20)
    assert not caplog.records


def test_saving_and_restoring_is_quiet(saved, dataset, capfd, caplog):
    level = logging.getLogger("absl").level
    saves.save(saved, dataset, 20)
    saves.restore(saved)
    saves.read(saved, "best")
    saves.read(saved, "embeddings")
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("absl").level == level
