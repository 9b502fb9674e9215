"""Sections of a report that need no scores: the data, and the settings of the runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.report.html import from_figures, from_markdown
from symcere_jax.report.report_figures import dataset_figures
from symcere_jax.report.tables import markdown_table
from symcere_jax.settings import Settings
from symcere_jax.training import Checkpoints


def data_section(dataset: ReviewDataset) -> str:
    """What the runs learned from.

    Args:
        dataset: the prepared folder.
    """
    manifest = dataset.manifest
    table = dataset.reviews(["rating", "text"])
    ratings = np.array(table["rating"].to_pylist(), dtype=np.float64)
    words = np.array([len(text.split()) for text in table["text"].to_pylist()])
    counts = manifest.n_interactions
    cards = [
        (f"{manifest.n_users:,}", "users"),
        (f"{manifest.n_items:,}", "items"),
        (f"{manifest.n_reviews:,}", "reviews"),
        (f"{manifest.n_reviews / manifest.n_users / manifest.n_items:.2%}", "density"),
        (f"{counts['train']:,}", "for training"),
        (f"{counts['valid']:,}", "for validation"),
        (f"{counts['test']:,}", "for the test"),
        (f"{words.mean():.0f}", "words a review"),
    ]
    shown = "".join(
        f'<div class="card"><b>{value}</b><span>{name}</span></div>' for value, name in cards
    )
    encoders = ", ".join(
        f"{name} ({entry['width']} wide)" for name, entry in manifest.text_encoders.items()
    )
    facts = markdown_table(
        ["fact", "value"],
        [
            ["name", manifest.name],
            ["fingerprint", manifest.fingerprint],
            ["source", str(manifest.source.get("kind", "–"))],
            ["split", manifest.split_name],
            ["k-core", str(manifest.k_core)],
            ["text features", encoders or "none"],
        ],
    )
    figures = dataset_figures(dataset, ratings, words)
    caption = "Share of users and items by training interactions; ratings; lengths of reviews."
    return (
        f'<div class="cards">{shown}</div>' + from_figures(figures, caption) + from_markdown(facts)
    )


def settings_section(names: Sequence[str], seeds: Sequence[Sequence[Path]]) -> str:
    """Where the runs differ from each other and from the defaults.

    Args:
        names: of the runs.
        seeds: the folders of each one's trainings.
    """
    configs: list[dict[str, Any]] = []
    for folders in seeds:
        found = [seed for seed in folders if Checkpoints(seed).steps("best")]
        stored = Checkpoints(found[0]).metadata("best").settings if found else {}
        configs.append(dict(stored))
    defaults = Settings().as_dict()
    changed = [
        name
        for name in defaults
        if any(config and config.get(name) != defaults[name] for config in configs)
    ]
    rows = [
        [name, str(defaults[name]), *(str(config.get(name, "–")) for config in configs)]
        for name in changed
    ]
    every = [[name, *(str(config.get(name, "–")) for config in configs)] for name in defaults]
    return (
        "<p>Settings of some run that are not the default; 0 and auto were resolved by the "
        "data.</p>"
        + from_markdown(markdown_table(["setting", "default", *names], rows))
        + "<details><summary>All settings</summary>"
        + from_markdown(markdown_table(["setting", *names], every))
        + "</details>"
    )
