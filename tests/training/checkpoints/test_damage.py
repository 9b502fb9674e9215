"""Checkpoints that are damaged, deleted or of another program."""

import dataclasses
import re
import shutil

import jax.numpy as jnp
import pytest

from symcere_jax.errors import CheckpointError
from symcere_jax.training.checkpoints import Checkpoints, metadata
from symcere_jax.training.checkpoints.contents import Contents

from . import saves


@pytest.mark.parametrize("damage", ["state", "best", "contents"])
def test_the_one_before_a_damaged_one_serves_with_a_warning(saved, dataset, damage, caplog):
    newest = saved.folder / "1"
    if damage == "contents":
        path = newest / "contents.json"
        path.write_text(path.read_text().replace('"best_step": 8', '"best_step": 9'))
    else:
        saves.damage(newest, damage)
    described, state, best = saves.restore(saved)
    [record] = caplog.records
    assert re.search(r"1/.* damaged.*; .*/0 is used instead", record.getMessage())
    assert described == saves.described(dataset, step=12)
    saves.assert_equal(state, saves.make_state(12))
    saves.assert_equal(best, saves.make_state(8).params)
    # The run comes to that step again, and then writes what was damaged.
    assert saved.numbers() == [0]
    saves.save(saved, dataset, 16)
    saves.assert_equal(saves.restore(saved)[1], saves.make_state(16))


@pytest.mark.parametrize("part", ["best", "embeddings"])
def test_damaged_best_parameters_are_read_from_the_one_before(saved, dataset, part, caplog):
    saves.damage(saved.folder / "1", part)
    described, arrays = saves.read(saved, part)
    assert described == saves.described(dataset, step=12)
    saves.assert_equal(arrays, saves.make_state(8).params if part == "best" else saves.EMBEDDINGS)
    assert re.search(rf"1/{part}/\S+ is .*damaged; .*/0 is used instead", caplog.text)
    assert saved.numbers() == [0, 1]  # reading deletes nothing


def test_what_is_deleted_while_it_is_read_is_not_damaged(saved, dataset, monkeypatch, caplog):
    """Training continues: it writes a better one and deletes the one that is being read."""
    verify = Contents.verify
    folders = []

    def verify_late(contents, folder, part):
        folders.append(folder)
        if len(folders) == 1:  # its contents are read, its arrays are not
            saves.save(saved, dataset, 20, 20, keep=1)
        return verify(contents, folder, part)

    monkeypatch.setattr(Contents, "verify", verify_late)
    described, best = saves.read(saved, "best")
    assert [folder.name for folder in folders] == ["1", "2"]
    assert described.progress.best_step == 20
    saves.assert_equal(best, saves.make_state(20).params)
    assert not caplog.records


def test_another_format_version_is_refused(checkpoints, dataset, monkeypatch):
    monkeypatch.setattr(metadata, "FORMAT_VERSION", 1)
    saves.save(checkpoints, dataset)
    monkeypatch.undo()
    for read in saves.readers(checkpoints):
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
    state = saves.make_state()
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
            described, state, best = saves.restore(saved)
            _, embeddings = saves.read(saved, "embeddings")
        except CheckpointError as error:
            refused.add(path.relative_to(saved.folder / "0").parts[0])
            assert len(str(error).splitlines()) == 1
            assert re.search("damaged.*: train again in|no checkpoint in .*: train", str(error))
        else:
            assert described.progress == saves.PROGRESS
            saves.assert_equal(state, saves.make_state(12))
            saves.assert_equal(best, saves.make_state(8).params)
            saves.assert_equal(embeddings, saves.EMBEDDINGS)
        path.write_bytes(content)
    assert refused == {"state", "best", "embeddings", "contents.json"}
    assert capfd.readouterr() == ("", "")
    saves.assert_equal(saves.restore(saved)[1], saves.make_state(12))
