"""A run is never worse than its best part by more than chance, even if its data lacks a signal."""

import json

import numpy as np
import pytest

from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import evaluate, standard_error
from symcere_jax.models import popularity_embeddings, score_block
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.settings import Settings
from symcere_jax.training import load_embeddings, train

N_USERS, N_GROUPS = 200, 10
SETTINGS = Settings(epochs=10, patience=3, propagation="segment")


def noise_words(rng):
    return [f"word{x}" for x in rng.integers(300, size=12)]


def topic_words(rng, topic):
    return [f"topic{topic}word{x}" for x in rng.integers(8, size=6)] + noise_words(rng)[:6]


def useless_text(rng):
    """Users like the items of their group; texts are any words."""
    for user in range(N_USERS):
        for item in rng.choice(12, 6, replace=False):
            yield user, user % N_GROUPS * 12 + item, noise_words(rng)


def no_repeats(rng):
    """An item has one or two reviews, whose words tell its topic; a user likes one topic."""
    for user in range(N_USERS):
        topic = user % N_GROUPS
        for item in rng.choice(60, 5, replace=False):
            yield user, topic * 60 + item, topic_words(rng, topic)


def no_signal(rng):
    """Some items are popular with everyone; texts are any words."""
    shares = 1 / np.arange(2, 62)
    for user in range(N_USERS):
        for item in rng.choice(60, 6, replace=False, p=shares / shares.sum()):
            yield user, item, noise_words(rng)


@pytest.mark.parametrize(
    ("data", "best"), [(useless_text, "graph"), (no_repeats, "aligned"), (no_signal, "popularity")]
)
def test_a_run_ends_at_its_best_part(data, best, tmp_path):
    with (tmp_path / "reviews.jsonl").open("w") as file:
        for user, item, words in data(np.random.default_rng(0)):
            row = {"user_id": f"u{user:04}", "item_id": f"i{item:04}", "text": " ".join(words)}
            file.write(json.dumps(row) + "\n")
    prepare(
        PrepareSettings(
            source="table", input=tmp_path / "reviews.jsonl", output=tmp_path / "data", k_core=1,
            text_width=32,
        )
    )  # fmt: skip
    dataset = ReviewDataset.load(tmp_path / "data")
    train(SETTINGS, dataset, tmp_path / "run")

    def per_user(embeddings):
        return evaluate(score_block, embeddings, dataset, "test", ks=(10,)).per_user["ndcg@10"]

    parts = {
        name: per_user(load_embeddings(tmp_path / "run" / "experts" / name, dataset)[0])
        for name in ("graph", "aligned")
    }
    parts["popularity"] = per_user(popularity_embeddings(dataset.item_counts(), dataset.n_users))
    found = per_user(load_embeddings(tmp_path / "run", dataset)[0])
    # The data is what it is made for: one part is the best, or level with the others.
    assert parts[best].mean() > max(part.mean() for part in parts.values()) - 0.01
    for name, part in parts.items():
        gains = found - part
        assert gains.mean() > -2 * standard_error(gains), name
