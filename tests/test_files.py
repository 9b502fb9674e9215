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
@pytest.mark.parametrize("there", [False, True])
def test_a_block_that_fails_leaves_what_was_there(tmp_path, error, there):
    path = tmp_path / "file"
    if there:
        path.write_text("before")
    with pytest.raises(error), replacing(path) as aside:
        aside.write_text("half")
        raise error
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("file", "before")
    ] * there


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "before"


def test_what_is_left_of_a_killed_writer_is_no_obstacle(tmp_path):
    (tmp_path / "file.tmp").write_text("half of what was written before, and longer")
    write_text(tmp_path / "file", "whole")
    assert (tmp_path / "file").read_text() == "whole"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_texts_are_utf_8(tmp_path):
    write_text(tmp_path / "text", "hôtel ☕\n")
    assert (tmp_path / "text").read_bytes() == "hôtel ☕\n".encode()


def test_json(tmp_path):
    content = {"a": [1, 2.5, None], "b": "hôtel"}
    write_json(tmp_path / "file.json", content)
    text = (tmp_path / "file.json").read_text(encoding="utf-8")
    assert json.loads(text) == content
    assert text.endswith("}\n")


def test_content_that_is_no_json_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.json"
    path.write_text("{}")
    with pytest.raises(TypeError):
        write_json(path, {"a": {1, 2}})
    assert path.read_text() == "{}"
