import numpy as np
import pytest

from symcere_jax.errors import BusyError, ConfigError, StorageError
from symcere_jax.locking import locked
from symcere_jax.recommend import bulk
from symcere_jax.recommend.bulk import write_recommendations

from .conftest import read

ROWS = np.array([7, 3, 50, 2, 9])


@pytest.fixture(scope="module")
def expected(recommender):
    names = recommender.users.ids[ROWS]
    return [
        (user, item_id, rank, pytest.approx(score, rel=1e-4))
        for user, ranking in zip(names, recommender.recommend(names, k=4), strict=True)
        for rank, (item_id, score) in enumerate(ranking, start=1)
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_each_format_in_parts(recommender, tmp_path, expected, suffix):
    output = tmp_path / f"found{suffix}"
    done = []
    assert write_recommendations(
        recommender, ROWS, output, k=4, part_users=2, progress=lambda *counts: done.append(counts)
    )
    assert read(output) == expected
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    assert done == [(2, 5), (4, 5), (5, 5)]


def test_a_stopped_run_resumes(recommender, tmp_path, expected, monkeypatch):
    output = tmp_path / "found.parquet"
    options = {"k": 4, "part_users": 2}
    answers = iter([False, True])
    stopped = write_recommendations(
        recommender, ROWS, output, should_stop=lambda: next(answers), **options
    )
    assert not stopped and not output.exists()
    ranked = []
    original = type(recommender).recommend_rows

    def recording(self, rows, *arguments, **keywords):
        ranked.extend(rows)
        return original(self, rows, *arguments, **keywords)

    monkeypatch.setattr(type(recommender), "recommend_rows", recording)
    assert write_recommendations(recommender, ROWS, output, **options)
    assert ranked == [50, 2, 9]  # the first part was there
    assert read(output) == expected


def test_parts_of_another_run_are_refused(recommender, tmp_path):
    output = tmp_path / "found.csv"
    write_recommendations(recommender, ROWS, output, k=4, part_users=2, should_stop=lambda: True)
    with pytest.raises(ConfigError, match="parts of another run"):
        write_recommendations(recommender, ROWS, output, k=5, part_users=2)
    with pytest.raises(ConfigError, match="parts of another run"):
        write_recommendations(recommender, ROWS[:4], output, k=4, part_users=2)
    assert write_recommendations(recommender, ROWS, output, k=4, part_users=2)


def test_a_run_that_was_killed_while_it_removed_its_parts_resumes(recommender, tmp_path, expected):
    output = tmp_path / "found.csv"
    options = {"k": 4, "part_users": 2}
    answers = iter([False, False, True])
    write_recommendations(recommender, ROWS, output, should_stop=answers.__next__, **options)
    folder = tmp_path / "found.csv.parts"
    min(folder.glob("*.csv")).unlink()
    assert write_recommendations(recommender, ROWS, output, **options)
    assert read(output) == expected and not folder.exists()


def test_a_run_that_was_killed_after_it_joined_its_parts_resumes(
    recommender, tmp_path, expected, monkeypatch
):
    output = tmp_path / "found.csv"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bulk, "_remove_parts", _interrupt)
        write_recommendations(recommender, ROWS, output, k=4)
    assert output.exists()
    assert write_recommendations(recommender, ROWS, output, k=4)
    assert read(output) == expected and list(tmp_path.iterdir()) == [output]


def test_a_file_that_exists_stays(recommender, tmp_path, expected):
    output = tmp_path / "found.csv"
    output.write_text("mine")
    with pytest.raises(ConfigError, match=r"found.csv exists; replace it with --overwrite"):
        write_recommendations(recommender, ROWS, output, k=4)
    assert output.read_text() == "mine" and list(tmp_path.iterdir()) == [output]
    assert write_recommendations(recommender, ROWS, output, k=4, overwrite=True)
    assert read(output) == expected


def _interrupt(*arguments):
    raise KeyboardInterrupt


def test_a_folder_of_somebody_else_is_kept(recommender, tmp_path):
    folder = tmp_path / "found.csv.parts"
    folder.mkdir()
    (folder / "thesis.txt").write_text("all of it")
    with pytest.raises(ConfigError, match=r"found\.csv\.parts is not a folder of parts"):
        write_recommendations(recommender, ROWS, tmp_path / "found.csv")
    assert (folder / "thesis.txt").read_text() == "all of it"


def test_an_output_is_written_by_one_run_at_a_time(recommender, tmp_path):
    output = tmp_path / "found.csv"
    with (
        locked(tmp_path / "found.csv.lock", "it", "go"),
        pytest.raises(BusyError, match=r"--output=\S+found.csv is in use by"),
    ):
        write_recommendations(recommender, ROWS, output)
    assert list(tmp_path.iterdir()) == []


def test_nobody(recommender, tmp_path):
    for suffix in (".jsonl", ".csv", ".parquet"):
        output = tmp_path / f"none{suffix}"
        assert write_recommendations(recommender, ROWS[:0], output)
        assert read(output) == []


def test_bad_outputs(recommender, tmp_path):
    with pytest.raises(ConfigError, match=r"must end in one of .jsonl, .csv, .parquet"):
        write_recommendations(recommender, ROWS, tmp_path / "found.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write_recommendations(recommender, ROWS, tmp_path / "file" / "found.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.csv exists"):
        write_recommendations(recommender, ROWS, tmp_path / "folder.csv")
