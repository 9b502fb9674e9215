import json
import shutil

import numpy as np
import pytest

from symcere_jax.errors import CheckpointError
from symcere_jax.models import score_block
from symcere_jax.study.scoring import score_run
from symcere_jax.training import load_embeddings


def test_scores_are_those_of_the_best_checkpoint(trained_run, dataset, tmp_path):
    workdir = shutil.copytree(trained_run, tmp_path / "run")
    shown = []
    evaluation, step, paths = score_run(
        workdir, dataset, "valid", ks=(3,), progress=lambda done, total: shown.append((done, total))
    )
    embeddings, metadata = load_embeddings(workdir, dataset)
    scores = np.array(score_block(embeddings, np.arange(dataset.n_users)))
    scores[tuple(dataset.train.T)] = -np.inf
    recommended = np.argsort(-scores[evaluation.users], axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(evaluation.recommended, recommended)
    held_out = set(map(tuple, dataset.valid.tolist()))
    hits = [
        [(user, item) in held_out for item in row]
        for user, row in zip(evaluation.users.tolist(), recommended.tolist(), strict=True)
    ]
    assert evaluation.metrics["precision@3"] == pytest.approx(np.mean(hits))
    assert step == metadata.progress.best_step
    assert paths == [workdir / "metrics_valid.json", workdir / "per_user_valid.npz"]
    assert json.loads(paths[0].read_text())["step"] == step
    n_users = len(evaluation.users)
    assert shown[-1] == (n_users, n_users)


def test_a_workdir_without_a_run_gets_no_scores(dataset, tmp_path):
    with pytest.raises(CheckpointError, match="train first"):
        score_run(tmp_path, dataset, "test")
    assert list(tmp_path.iterdir()) == []
