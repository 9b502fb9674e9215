"""From generated reviews to scores, with the main switches of the model: each beats popularity."""

import math

import numpy as np
import pytest

from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import evaluate
from symcere_jax.models import score_block
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.settings import Settings
from symcere_jax.training import load_embeddings, train
from symcere_jax.training.metric_log import read_metric_log

# Without text, learning starts from nothing: it takes more epochs, and a softer loss.
GRAPH_ALONE = {"experts": "graph", "text_encoder": "none", "temperature": 0.3, "epochs": 12}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> ReviewDataset:
    folder = tmp_path_factory.mktemp("shop") / "prepared"
    prepare(
        PrepareSettings(
            source="synthetic",
            output=folder,
            synthetic_users=300,
            synthetic_items=100,
            text_width=32,
        )
    )
    return ReviewDataset.load(folder)


def _popularity_ndcg(dataset: ReviewDataset, split: str, known_splits: list[str]) -> float:
    """NDCG@10 of the most popular items that a user does not know, a user at a time."""
    counts = np.bincount(dataset.train[:, 1], minlength=dataset.n_items)
    held_out = dataset.interactions(split)
    known = np.concatenate([dataset.interactions(name) for name in known_splits])
    values = []
    for user in np.unique(held_out[:, 0]):
        seen = set(known[known[:, 0] == user, 1].tolist())
        wanted = set(held_out[held_out[:, 0] == user, 1].tolist())
        ranked = [item for item in np.argsort(-counts, kind="stable").tolist() if item not in seen]
        gains = [1 / math.log2(rank + 2) for rank in range(10)]
        gain = sum(gains[rank] for rank, item in enumerate(ranked[:10]) if item in wanted)
        values.append(gain / sum(gains[: len(wanted)]))
    return float(np.mean(values))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"normalize": False},
        {"cross_modal_weight": 0.0},
        GRAPH_ALONE,
        {"ranking_loss": "bpr"},
        {"candidates": "in_batch"},
    ],
    ids=lambda settings: " ".join(f"{name}={settings[name]}" for name in settings) or "defaults",
)
def test_a_trained_model_beats_popularity(shop, tmp_path, settings):
    resolved = Settings(**{"epochs": 3, "experts": "aligned"} | settings)
    result = train(resolved, shop, tmp_path)
    assert (result.stop, result.epochs) == ("epochs", resolved.epochs)
    records = read_metric_log(tmp_path)
    assert len(records) == 1 + result.epochs
    assert all(math.isfinite(value) for record in records for value in record.values())
    assert records[-1]["loss"] < records[1]["loss"]
    trained = [record["ndcg@10"] for record in records[1:]]
    assert max(trained) > _popularity_ndcg(shop, "valid", ["train"])
    embeddings, _ = load_embeddings(tmp_path, shop)
    metrics = evaluate(score_block, embeddings, shop, "test").metrics
    assert metrics["ndcg@10"] > _popularity_ndcg(shop, "test", ["train", "valid"])
