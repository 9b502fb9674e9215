from pathlib import Path

import pytest

from symcere_jax.errors import ConfigError, StorageError
from symcere_jax.folders import BASELINES, PREPARED, RUN, STUDIES, check_output_folder


def test_a_new_folder_and_one_without_a_purpose_are_welcome(tmp_path):
    check_output_folder(tmp_path / "a" / "b", "workdir", RUN)
    (tmp_path / "notes.txt").write_text("")
    check_output_folder(tmp_path, "workdir", RUN)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("purpose", "purposes", "refused"),
    [
        (PREPARED, [RUN], True),
        (PREPARED, STUDIES, True),
        (RUN, [RUN], False),
        (RUN, [BASELINES], True),
        (BASELINES, STUDIES, False),
        (BASELINES, [RUN], True),
    ],
)
def test_a_folder_of_another_purpose(tmp_path, dataset, trained_run, purpose, purposes, refused):
    folders = {PREPARED: dataset.folder, RUN: trained_run, BASELINES: tmp_path}
    (tmp_path / "baselines.json").write_text("{}")
    if not refused:
        check_output_folder(folders[purpose], "output", *purposes)
        return
    with pytest.raises(ConfigError, match=f"holds {purpose}: choose another --output"):
        check_output_folder(folders[purpose], "output", *purposes)


def test_a_file_and_what_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        check_output_folder(tmp_path / "file", "output")
    for folder in (tmp_path / "file" / "b", Path("/proc/nothing")):
        with pytest.raises(StorageError, match=r"cannot write to .*; choose another --output"):
            check_output_folder(folder, "output")
