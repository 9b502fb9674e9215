"""A table of the baselines of a workdir, as Markdown and JSON."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from symcere_jax.baselines.methods import METHODS
from symcere_jax.baselines.runs import BaselineRecord
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, seed_std, standard_error
from symcere_jax.files import write_json, write_text
from symcere_jax.report.tables import markdown_table

HEADER = ("method", "valid", "test", "± std over seeds", "± error over users", "seconds")


@dataclasses.dataclass(frozen=True)
class Row:
    """A baseline in the table; scores are NDCG@10.

    Attributes:
        method: its name.
        title: what the table calls it.
        valid: score of the chosen settings, with seed 0.
        test: mean over seeds.
        seed_std: standard deviation over seeds; None for one seed.
        standard_error: of the mean over users, values averaged over seeds.
        n_seeds: number of trainings that were tested.
        n_trials: number of settings that were tried.
        seconds: of all trials and tests.
    """

    method: str
    title: str
    valid: float
    test: float
    seed_std: float | None
    standard_error: float
    n_seeds: int
    n_trials: int
    seconds: float

    def cells(self) -> list[str]:
        """The row as text, under `HEADER`."""
        std = "" if self.seed_std is None else f"{self.seed_std:.4f}"
        return [
            self.title,
            f"{self.valid:.4f}",
            f"{self.test:.4f}",
            std,
            f"{self.standard_error:.4f}",
            f"{self.seconds:.0f}",
        ]


def summarize_baseline(record: BaselineRecord, workdir: Path) -> Row:
    """Reads the per-user values of a baseline's seeds.

    Args:
        record: of `run_baseline`.
        workdir: the same as there.
    """
    values = []
    for seed in record.test_seconds:
        path = workdir / record.method / f"seed_{seed}" / "per_user_test.npz"
        with np.load(path, allow_pickle=False) as arrays:
            values.append(arrays[PRIMARY_METRIC])
    means = [float(of_seed.mean()) for of_seed in values]
    return Row(
        method=record.method,
        title=METHODS[record.method].title,
        valid=record.best.score,
        test=float(np.mean(means)),
        seed_std=seed_std(means),
        standard_error=standard_error(np.mean(values, axis=0)),
        n_seeds=len(means),
        n_trials=len(record.trials),
        seconds=sum(trial.seconds for trial in record.trials) + sum(record.test_seconds.values()),
    )


def write_baselines(
    rows: Sequence[Row], skipped: Mapping[str, str], dataset: ReviewDataset, workdir: Path
) -> list[Path]:
    """Writes `baselines.md` and `baselines.json`.

    Args:
        rows: a baseline each.
        skipped: method -> why it could not run.
        dataset: the prepared folder.
        workdir: where to.

    Returns:
        The paths of both files.
    """
    n_users = len(np.unique(dataset.test[:, 0]))
    lines = [
        f"# Baselines on {dataset.name}",
        "",
        f"NDCG@10, full ranking, {n_users:,} test users. Settings are chosen on the validation "
        "split.",
        "",
        markdown_table(HEADER, [row.cells() for row in rows]),
    ]
    if skipped:
        lines += ["", *(f"- {METHODS[name].title}: {why}" for name, why in skipped.items())]
    content = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "metric": PRIMARY_METRIC,
        "n_users": n_users,
        "baselines": [dataclasses.asdict(row) for row in rows],
        "skipped": dict(skipped),
    }
    markdown, data = workdir / "baselines.md", workdir / "baselines.json"
    write_text(markdown, "\n".join(lines) + "\n")
    write_json(data, content)
    return [markdown, data]
