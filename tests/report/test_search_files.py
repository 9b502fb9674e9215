import csv

import pytest
from absl import flags
from matplotlib.figure import Figure

from symcere_jax.fields import field_types
from symcere_jax.report.search_files import flag_lines, history_plot, write_search
from symcere_jax.settings import Settings
from symcere_jax.study.search import SearchResult, Trial

BASE = Settings(epochs=7, normalize=False)


def trial(number, state, score, **searched):
    done = state != "failed"
    return Trial(
        number=number,
        state=state,
        settings=BASE.replace(**searched),
        searched=searched,
        score=score,
        epochs=7 if done else None,
        best_epoch=4 if done else None,
        seconds=1.5 if done else None,
        error=None if done else "the loss, it is not finite",
    )


TRIALS = (
    trial(0, "complete", 0.2, temperature=0.1, candidates="catalog"),
    trial(1, "failed", None, temperature=0.05, candidates="catalog"),
    trial(2, "complete", 0.31234, temperature=0.2345, candidates="in_batch"),
    trial(3, "pruned", 0.9, temperature=0.4, candidates="catalog"),
    trial(4, "complete", 0.31234, temperature=0.3, candidates="catalog"),
)
RESULT = SearchResult(TRIALS, stopped=False)


def parse_flagfile(path):
    """The settings that launch/train.py would read from a flagfile."""
    values = flags.FlagValues()
    define = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    defaults, types = Settings().as_dict(), field_types(Settings)
    for name, default in defaults.items():
        define[types[name].kind](name, default, "a setting", flag_values=values)
    flags.DEFINE_string("flagfile", "", "", flag_values=values)
    values(["program", f"--flagfile={path}"])
    return Settings(**{name: values[name].value for name in defaults})


def test_the_best_is_the_first_of_the_complete_ones_with_the_highest_score():
    assert RESULT.best is TRIALS[2]
    assert SearchResult((TRIALS[1], TRIALS[3]), stopped=True).best is None


def test_the_flagfile_repeats_the_best_trial(tmp_path):
    write_search(RESULT, tmp_path, "shop")
    path = tmp_path / "best.flags"
    assert parse_flagfile(path) == TRIALS[2].settings
    lines = path.read_text().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert "valid ndcg@10 0.3123" in " ".join(comments)
    assert "3 complete, 1 pruned, 1 failed trials" in " ".join(comments)
    assert sorted(line for line in lines if line not in comments) == [
        "--candidates=in_batch",
        "--epochs=7",
        "--nonormalize",
        "--temperature=0.2345",
    ]


def test_defaults_need_no_flags():
    assert flag_lines(Settings()) == []
    assert flag_lines(Settings(normalize=False)) == ["--nonormalize"]


def test_the_table_has_a_row_a_trial(tmp_path):
    write_search(RESULT, tmp_path, "shop")
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == list("01234")
    assert [row["state"] for row in rows] == [trial.state for trial in TRIALS]
    assert [float(row["temperature"]) for row in rows] == [0.1, 0.05, 0.2345, 0.4, 0.3]
    assert rows[1]["error"] == "the loss, it is not finite"
    assert (rows[1]["score"], rows[2]["score"], rows[2]["epochs"]) == ("", "0.31234", "7")


def test_the_plot_shows_the_scores_and_the_best_so_far():
    (axes,) = history_plot(TRIALS, "shop").figure().axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["complete"] == [[0, 0.2], [2, 0.31234], [4, 0.31234]]
    assert lines["best so far"] == lines["complete"]
    assert lines["pruned"] == [[3, 0.9]]
    falling = (trial(0, "complete", 0.3), trial(1, "complete", 0.2))
    (axes,) = history_plot(falling, "shop").figure().axes
    assert axes.lines[1].get_ydata().tolist() == [0.3, 0.3]


def test_a_name_that_looks_like_mathematics(tmp_path):
    paths = write_search(RESULT, tmp_path, r"$\x$ {é")
    assert [path.name for path in paths] == ["trials.csv", "history.svg", "best.flags"]
    assert r"a search on $\x$ {é," in paths[2].read_text(encoding="utf-8")
    assert r">$\x$ {é</text>" in paths[1].read_text(encoding="utf-8")


def test_files_are_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    paths = write_search(RESULT, tmp_path, "shop")
    before = [path.read_bytes() for path in paths]

    def broken(*arguments, **settings):
        raise OSError("the disk is full")

    monkeypatch.setattr(Figure, "savefig", broken)
    with pytest.raises(OSError, match="the disk is full"):
        write_search(RESULT, tmp_path, "other")
    assert [path.read_bytes() for path in paths] == before


@pytest.mark.parametrize("trials", [(), TRIALS[1:2]])
def test_without_a_complete_trial_there_is_no_flagfile(tmp_path, trials):
    paths = write_search(SearchResult(trials, stopped=True), tmp_path, "shop")
    assert [path.name for path in paths] == ["trials.csv", "history.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.svg", "trials.csv"]
