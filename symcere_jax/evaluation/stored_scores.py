"""Scores of an evaluation as files for other programs."""

import json
from pathlib import Path

import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.evaluation.evaluate import Evaluation
from symcere_jax.files import replacing, write_json


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
