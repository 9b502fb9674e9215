import json

import pytest

from symcere_jax.files import replacing, write_json, write_text


def test_a_file_is_replaced_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with replacing(path) as aside:
        aside.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("exists", [False, True])
def test_a_block_that_fails_leaves_what_was_there(tmp_path, error, exists):
    path = tmp_path / "file"
    if exists:
        path.write_text("before")
    with pytest.raises(error), replacing(path) as aside:
        aside.write_text("half")
        raise error
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("file", "before")
    ] * exists


def test_leftovers_of_a_killed_writer_do_no_harm(tmp_path):
    (tmp_path / "file.tmp").write_text("half of what was written before, and longer")
    write_text(tmp_path / "file", "hôtel ☕\n")
    assert (tmp_path / "file").read_bytes() == "hôtel ☕\n".encode()
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_json_and_what_is_no_json(tmp_path):
    path = tmp_path / "file.json"
    content = {"a": [1, 2.5, None], "b": "hôtel"}
    write_json(path, content)
    assert json.loads(path.read_text(encoding="utf-8")) == content
    with pytest.raises(TypeError):
        write_json(path, {"a": {1, 2}})
    assert json.loads(path.read_text(encoding="utf-8")) == content
