import os
from pathlib import Path

import pytest

from symcere_jax.errors import BusyError, ConfigError, DataError
from symcere_jax.preparation.write.output_folder import check_output, locked_output, new_folder


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_folder_appears_when_the_block_ends(tmp_path):
    output = tmp_path / "a" / "b"
    with locked_output(output), new_folder(output) as folder:
        (folder / "x").write_text("new")
        assert not output.exists()
        assert folder.parent == output.parent
    assert tree(tmp_path) == ["a", "a/b", "a/b/x"]


def test_the_working_directory_can_be_replaced(tmp_path, monkeypatch):
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    with new_folder(Path()) as folder:
        (folder / "new").write_text("new")
    monkeypatch.undo()
    assert tree(tmp_path) == ["b", "b/new"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        *((error("stop"), "stop") for error in (ValueError, KeyboardInterrupt, SystemExit)),
        (OSError("9 requested and 3 written"), r"cannot write .*b: is the disk full\? 9 requested"),
    ],
)
def test_nothing_is_left_when_the_block_fails(tmp_path, error, message):
    output = tmp_path / "a" / "b"
    expected = DataError if isinstance(error, OSError) else type(error)
    with (
        pytest.raises(expected, match=message),
        locked_output(output),
        new_folder(output) as folder,
    ):
        (folder / "x").write_text("new")
        raise error
    assert tree(tmp_path) == []


def earlier(output: Path, manifest: str = '{"files": {"old": {}}}') -> Path:
    """A folder that is there already."""
    output.mkdir()
    (output / "old").write_text("old")
    (output / "manifest.json").write_text(manifest)
    return output


def test_the_old_folder_stays_until_the_new_one_is_complete(tmp_path):
    output = earlier(tmp_path / "b")
    with pytest.raises(ValueError, match="stop"), new_folder(output):
        raise ValueError("stop")
    assert tree(tmp_path) == ["b", "b/manifest.json", "b/old"]
    with new_folder(output) as folder:
        (folder / "new").write_text("new")
        assert (output / "old").exists()
    assert tree(tmp_path) == ["b", "b/new"]


@pytest.mark.parametrize("has_links", [True, False])
def test_what_is_not_of_the_prepared_data_stays(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(
            os, "link", lambda *args, **options: os.open("no such file", os.O_RDONLY)
        )
    output = tmp_path / "b"
    (output / "text" / "lsa").mkdir(parents=True)
    (output / "mine" / "empty").mkdir(parents=True)
    for name in ("train.npy", "text/lsa/items.npy", "text/notes", "mine/run"):
        (output / name).write_text(name)
    (output / "link").symlink_to("nowhere")
    manifest = '{"format_version": 1, "files": {"train.npy": {}, "text/lsa/items.npy": {}}}'
    (output / "manifest.json").write_text(manifest)
    said = []
    with new_folder(output, said.append) as folder:
        (folder / "manifest.json").write_text("new")
    assert tree(output) == ["link", "manifest.json", "mine", "mine/empty", "mine/run", "text",
                            "text/notes"]  # fmt: skip
    assert (output / "mine" / "run").read_text() == "mine/run"
    assert (output / "link").is_symlink()
    assert len(said) == 1
    assert tree(tmp_path)[0] == "b"


@pytest.mark.parametrize(
    ("manifest", "new", "message"),
    [("{", "x", "delete the folder"), ('{"files": {}}', "old", "old has the name of")],
)
def test_nothing_changes_where_it_is_unclear_what_is_whose(tmp_path, manifest, new, message):
    output = earlier(tmp_path / "b", manifest)
    before = tree(tmp_path)
    with pytest.raises(ConfigError, match=message), new_folder(output) as folder:
        (folder / new).write_text("")
    assert tree(tmp_path) == before
    assert (output / "old").read_text() == "old"


def test_the_old_folder_comes_back_when_the_renaming_fails(tmp_path, monkeypatch):
    output = earlier(tmp_path / "b")
    before = tree(tmp_path)
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial") and "replaced" not in path.name and target == output:
            raise OSError(28, os.strerror(28))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(DataError, match=r"cannot write .*b: No space left"), new_folder(output):
        pass
    assert tree(tmp_path) == before


def test_an_output_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match=r"cannot write .*: (Not a directory|File exists)"),
        locked_output(tmp_path / "file" / "b"),
    ):
        pass


def test_what_check_output_refuses(tmp_path):
    def check(name: str, *, overwrite: bool = False, source: str | None = None) -> None:
        path = tmp_path / source if source else None
        check_output(tmp_path / name, overwrite=overwrite, source=path)

    check("new")
    (tmp_path / "other").mkdir()
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "manifest.json").write_text('{"files": {}}')
    with pytest.raises(ConfigError, match="prepared exists; use --overwrite"):
        check("prepared")
    check("prepared", overwrite=True)
    with pytest.raises(ConfigError, match="other exists and is not a prepared folder"):
        check("other", overwrite=True)
    with pytest.raises(ConfigError, match="holds the input"):
        check("prepared", overwrite=True, source="prepared/raw.csv")
    with pytest.raises(ConfigError, match="holds the input"):
        check("prepared", overwrite=True, source="prepared")


def leftover(output: Path, kind: str) -> Path:
    folder = output.with_name(f".{output.name}.{kind}")
    folder.mkdir()
    (folder / "x").write_text(kind)
    return folder


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path):
    output = tmp_path / "b"
    output.mkdir()
    gone = [leftover(output, kind) for kind in ("partial", "replaced")]
    stays = [leftover(tmp_path / name, "partial") for name in ("c", "b.c")]
    with locked_output(output):
        assert not any(folder.exists() for folder in gone)
    assert all(folder.exists() for folder in stays)
    assert output.exists()


def test_a_folder_whose_replacement_was_killed_halfway_comes_back(tmp_path):
    output = tmp_path / "b"
    for kind in ("partial", "replaced"):
        leftover(output, kind)
    with locked_output(output):
        assert (output / "x").read_text() == "replaced"
    assert tree(tmp_path) == ["b", "b/x"]


def test_an_output_is_written_by_one_program_at_a_time(tmp_path):
    output = tmp_path / "a" / "b"
    with (
        locked_output(output),
        pytest.raises(BusyError, match=r"--output=\S+b is in use by .*: wait for it, or ch"),
        locked_output(output),
    ):
        pass
    assert tree(tmp_path) == []
    with locked_output(output), new_folder(output) as folder:
        (folder / "x").write_text("")
    assert tree(tmp_path) == ["a", "a/b", "a/b/x"]
