import dataclasses
import io

import pytest
from rich.console import Console

from symcere_jax.preparation.summary import summary


@pytest.fixture
def shown(dataset):
    def show(**entries):
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(summary(dataclasses.replace(dataset.manifest, **entries), 1.25))
        return console.export_text()

    return show


def test_the_counts_are_those_of_the_manifest(shown, dataset):
    manifest = dataset.manifest
    text = shown(dropped={"outside the k-core": 1234, "no text": 0})
    for expected in (
        f"users {dataset.n_users}",
        f"reviews {manifest.n_reviews}",
        f"train {manifest.n_interactions['train']}",
        "dropped: outside the k-core 1,234",
        f"density {100 * manifest.n_reviews / dataset.n_users / dataset.n_items:.4f}%",
        "seconds 1.2",
    ):
        assert expected in " ".join(text.replace("│", " ").split())
    assert "no text" not in text and "metadata" not in text


def test_a_name_is_no_markup(shown, dataset):
    assert "[red]shop" in shown(name="[red]shop")
    statistics = dataset.manifest.statistics | {"items_without_metadata": 7}
    assert "items without metadata" in shown(statistics=statistics)
