import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from absl import flags

from symcere_jax.evaluation import PairedTest
from symcere_jax.study.comparison import RunScores


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import results

    monkeypatch.setattr(results, "_METRIC", SimpleNamespace(value="ndcg@10"))
    yield results
    # The flags of two programs clash in one process, which tests of other programs share.
    for flag in flags.FLAGS.get_flags_for_module("results"):
        delattr(flags.FLAGS, flag.name)
    del sys.modules["results"]


def _scores(mean: float, seed_std: float | None = None, p: float | None = None) -> RunScores:
    test = None if p is None else PairedTest(0.0, 0.0, 0.0, p / 2, p, p / 2, p)
    return RunScores("run", 1, mean, 0.002, seed_std, {}, test, [], [])


def test_the_table_marks_the_best_and_says_where_it_loses(results):
    text = results.table(
        {
            "hotels": {
                "EASE": _scores(0.02),
                "popularity": _scores(0.01, p=0.5),
                results.DEFAULTS: _scores(0.03, 0.001, 0.0004),
                results.OWN: _scores(0.025, 0.002, 0.04),
            },
            "shops": {"iALS": _scores(0.4, 0.01), results.DEFAULTS: _scores(0.3, 0.02, 0.6)},
        }
    )
    assert text.splitlines() == [
        "| test ndcg@10 | hotels | shops |",
        "|---|---|---|",
        "| EASE | 0.0200 |  |",
        "| popularity | 0.0100 |  |",
        "| iALS |  | **0.4000 ± 0.0100** |",
        "| SymCERE, defaults | **0.0300 ± 0.0010** | 0.3000 ± 0.0200 |",
        "| SymCERE, own flags | 0.0250 ± 0.0020 |  |",
        "| SymCERE, defaults, against the best baseline | +50.0% (p = 0.0004) | -25.0% (p = 0.6) |",
        "| SymCERE, own flags, against the best baseline | +25.0% (p = 0.04) |  |",
        "| standard error over users (best baseline) | 0.0020 | 0.0020 |",
    ]
