import io
import sys

import pytest

from symcere_jax.cli.progress import ProgressBar, RunsBar, counting_bar
from symcere_jax.settings import ResolvedSettings, Settings
from symcere_jax.study.workers import Epoch
from symcere_jax.training import Progress

RESOLVED = ResolvedSettings(
    experts="graph",
    embedding_dim=8,
    text_encoder="none",
    candidates="catalog",
    temperature=0.5,
    exclude_target="edge",
    user_ranking_weight=0.0,
    batch_size=256,
    embedding_learning_rate=1e-3,
    scalar_learning_rate=1e-2,
    epochs=10,
)
RECORD = {"epoch": 3, "step": 12, "loss": 0.25, "ndcg@10": 0.5}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _run(bar: ProgressBar, progress: Progress, record: dict, best: bool) -> None:
    bar.start(RESOLVED, 4, 256, progress)
    bar.steps(3, 2, 0.125)
    bar.epoch(record, best)
    bar.close()


@pytest.mark.parametrize(
    ("record", "best", "line"),
    [
        (RECORD, True, "epoch   3  loss 0.2500  valid ndcg@10 0.5000 *"),
        (RECORD, False, "epoch   3  loss 0.2500  valid ndcg@10 0.5000"),
        ({"epoch": 3, "loss": 0.25}, True, "epoch   3  loss 0.2500"),
        ({"epoch": 0, "ndcg@10": 0.5}, True, "epoch   0  valid ndcg@10 0.5000 *"),
    ],
)
def test_in_a_log_an_epoch_is_a_line(capsys, record, best, line):
    _run(ProgressBar(RESOLVED), Progress(), record, best)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["at most 10 epochs of 4 steps of 256 interactions", line]


def test_what_the_data_has_chosen_is_shown(capsys):
    _run(ProgressBar(Settings(temperature=0.5, batch_size=256)), Progress(), RECORD, False)
    expert, chosen = (line.split() for line in capsys.readouterr().err.splitlines()[:2])
    assert expert == ["expert", "graph"]
    assert {"embedding_dim=8,", "user_ranking_weight=0,"} <= set(chosen)
    assert not any(word.startswith(("temperature=", "batch_size=")) for word in chosen)


def test_a_resumed_run_says_so(capsys):
    _run(ProgressBar(RESOLVED), Progress(step=8), RECORD, False)
    assert capsys.readouterr().err.startswith("resumed at step 8\nat most 10 epochs of 4 steps")


def test_on_a_terminal_a_bar_moves(monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    _run(ProgressBar(RESOLVED), Progress(step=8), RECORD, True)
    last = terminal.getvalue().split("\r")[-1]
    assert last.startswith("epoch 3:  25%|")  # 10 of 40 steps
    assert "10/40" in last
    for shown in ("loss=0.1250", "valid=0.5000", "best=0.5000"):
        assert shown in last


def test_closing_before_the_start_is_fine(capsys):
    ProgressBar(RESOLVED).close()
    assert capsys.readouterr().err == ""


def test_a_counting_bar_on_a_terminal_alone(monkeypatch, capsys):
    with counting_bar("user", "name") as show:
        show(3, 7)
    assert capsys.readouterr().err == ""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with counting_bar("user", "name") as show:
        show(3, 7)
        show(7, 7)
    assert "name" in terminal.getvalue() and "7/7" in terminal.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_many_runs_show_a_line_each_and_on_a_terminal_a_bar(capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    bar = RunsBar("trial")
    bar.end("before the start")
    bar.start(3, 1)
    bar.epoch(Epoch("trial 2", 4, 0.25))
    bar.end("trial 2 complete")
    bar.close()
    shown = capsys.readouterr().err
    if terminal:
        assert "1/3" in shown and "trial 2, epoch 4: 0.2500" in shown
        assert "trial 2 complete\n" in shown and "2/3" in shown
    else:
        assert shown == "before the start\ntrial 2 complete\n"
