"""Scores of runs as files, and back, checked against the data set that they belong to."""

import dataclasses
import json
import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symcere_jax import hints
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation.evaluate import Evaluation
from symcere_jax.files import replacing, write_json


@dataclasses.dataclass(frozen=True)
class ScoredRun:
    """The scores of a run: a training, or several with different seeds."""

    name: str
    values: np.ndarray  # float64 [n_seeds, n_users] of a metric, users ascending
    beyond_accuracy: dict[str, float]  # "coverage@k", "gini@k", "popularity@k", mean over seeds
    recommended: np.ndarray  # int32 [n_seeds, n_users, k] items, −1 for an empty rank
    folders: tuple[Path, ...]  # of the seeds


def cutoff(metric: str) -> int:
    """The k of "metric@k".

    Raises:
        ConfigError: `metric` is malformed.
    """
    match = re.fullmatch(r"[a-z_]+@([1-9][0-9]*)", metric)
    if not match:
        raise ConfigError(f"metric is {metric!r}, must be a name and a cutoff, such as ndcg@10")
    return int(match[1])


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """The shortest names that distinguish folders: their last parts, without those that all share.

    Raises:
        ConfigError: a folder is given twice.
    """
    resolved = [folder.resolve() for folder in folders]
    for row, path in enumerate(resolved):
        if path in resolved[:row]:
            raise ConfigError(f"run {folders[row]} is given twice; name each run once")
    parts = [path.parts for path in resolved]
    if len(parts) > 1:
        while len({path[-1] for path in parts}) == 1:  # such as seed_0 of every run
            parts = [path[:-1] for path in parts]
    depth = 1
    while len({path[-depth:] for path in parts}) < len(parts) and depth < max(map(len, parts)):
        depth += 1
    return ["/".join(path[-depth:]) for path in parts]


def seed_folders(folder: Path) -> list[Path]:
    """The folders of a run's trainings: its subfolders seed_*, or the folder if it has none."""
    return sorted(path for path in folder.glob("seed_*") if path.is_dir()) or [folder]


def read_runs(
    folders: Sequence[Path],
    dataset: ReviewDataset,
    split: str,
    metric: str,
    seeds: Sequence[int] | None = None,
) -> list[ScoredRun]:
    """Reads the scores of runs.

    Args:
        folders: each with the files of `write_scores`, or with a subfolder seed_* for each of
            several trainings.
        dataset: the prepared folder that all of them were scored on.
        split: that they were scored on.
        metric: "metric@k", one of those that are kept for each user.
        seeds: trainings to read; None: all that a folder has.

    Raises:
        ConfigError: a run is given twice, or `metric` is malformed.
        DataError: a run lacks a file or the metric, or was scored on other data, another split or
            other users.
    """
    k = cutoff(metric)
    runs = []
    for name, folder in zip(distinct_names(folders), folders, strict=True):
        trainings = [folder / f"seed_{seed}" for seed in seeds or ()] or seed_folders(folder)
        beyond_accuracy = [_beyond_accuracy(each, dataset, split, k) for each in trainings]
        read = [_read_per_user(training, dataset, split, metric, k) for training in trainings]
        rankings, values = map(np.stack, zip(*read, strict=True))
        means = {
            key: float(np.mean([of_seed[key] for of_seed in beyond_accuracy]))
            for key in beyond_accuracy[0]
        }
        runs.append(ScoredRun(name, values, means, rankings, tuple(trainings)))
    return runs


def _beyond_accuracy(folder: Path, dataset: ReviewDataset, split: str, k: int) -> dict[str, float]:
    """Coverage, Gini coefficient and popularity at k; refuses those of other data or split."""
    path = folder / f"metrics_{split}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not folder.exists():
            raise DataError(f"there is no run at {folder}; train it first") from None
        raise DataError(
            f"{folder} has no {path.name}: score the run with "
            + hints.command("evaluate", workdir=folder, dataset=dataset.folder, split=split)
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); score the run again") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: no metrics; score the run again")
    if content.get("split") != split:
        raise DataError(f"{path}: split is {content.get('split')!r}; score the run on {split}")
    if content.get("fingerprint") != dataset.fingerprint:
        raise DataError(
            f"{path}: scored on other data (fingerprint {content.get('fingerprint')}, that of "
            f"{dataset.folder} is {dataset.fingerprint}); compare only runs of the same data"
        )
    names = (f"{name}@{k}" for name in ("coverage", "gini", "popularity"))
    return {name: content.get(name, math.nan) for name in names}


def _read_per_user(
    folder: Path, dataset: ReviewDataset, split: str, metric: str, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Recommended items `[n, k]` and values `[n]` of a training, checked."""
    path = folder / f"per_user_{split}.npz"
    try:
        # Opened here: of a damaged file, NumPy would leave its own handle open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            known = [name for name in content.files if "@" in name]
            if metric not in known:
                raise DataError(
                    f"{path} has no {metric} for each user (it has: {', '.join(known) or 'none'}); "
                    f"choose one of these as --metric, or score the run with --k={k}"
                )
            users, recommended = content["users"], content["recommended"]
            values = content[metric]
    except FileNotFoundError:
        raise DataError(f"{path} is missing; score the run again") from None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not readable ({error}); score the run again") from None
    if not np.array_equal(users, np.unique(dataset.interactions(split)[:, 0])):
        raise DataError(
            f"{path}: its {len(users)} users are not those with a {split} item in "
            f"{dataset.folder}; score the run on all of them"
        )
    if (
        values.shape != users.shape
        or not np.isfinite(values).all()
        or recommended.shape[:1] != users.shape
        or recommended.ndim != 2
        or recommended.shape[1] < k
        or recommended.dtype.kind != "i"
        or recommended.min() < -1
        or recommended.max() >= dataset.n_items
    ):
        raise DataError(
            f"{path}: {metric} {values.shape} or recommended {recommended.shape} is malformed for "
            f"{len(users)} users and {dataset.n_items} items; score the run again"
        )
    return recommended[:, :k], values


def stored_metrics(workdir: Path) -> dict[str, float]:
    """The metrics that a run was scored with, as "test ndcg@10"; empty if it was not scored."""
    metrics: dict[str, float] = {}
    for split in ("valid", "test"):
        path = workdir / f"metrics_{split}.json"
        if path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            metrics |= {f"{split} {name}": x for name, x in stored.items() if "@" in name}
    return metrics


def write_scores(
    evaluation: Evaluation, workdir: Path, split: str, dataset: ReviewDataset, step: int
) -> list[Path]:
    """Writes `metrics_<split>.json` and `per_user_<split>.npz`.

    The JSON file has the metrics under flat keys such as "ndcg@10", beside the data set's name and
    fingerprint, the split, the number of users and the step of the checkpoint. The npz file has
    "users" int32 `[n]`, "recommended" int32 `[n, k]` and each metric float64 `[n]`.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    content = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "split": split,
        "n_users": len(evaluation.users),
        "step": step,
        **evaluation.metrics,
    }
    metrics_path = workdir / f"metrics_{split}.json"
    per_user_path = workdir / f"per_user_{split}.npz"
    write_json(metrics_path, content)
    with replacing(per_user_path) as aside, aside.open("wb") as file:
        np.savez_compressed(
            file,
            users=evaluation.users,
            recommended=evaluation.recommended,
            **evaluation.per_user,  # type: ignore[arg-type]
        )
    return [metrics_path, per_user_path]
