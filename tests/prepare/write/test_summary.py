import dataclasses
import io
from pathlib import Path

from rich.console import Console

from symcere_jax.prepare.write.summary import Summary

SUMMARY = Summary(
    name="shop",
    output=Path("out"),
    n_read=1234,
    dropped={"outside the k-core": 34, "odd": 0},
    changed_texts={"HTML taken out": 7, "other": 0},
    n_users=100,
    n_items=60,
    n_reviews=1200,
    n_interactions={"train": 900, "valid": 60, "test": 240},
    split="ratio",
    n_empty_texts=5,
    words_per_review=12.34,
    n_cold_users=3,
    n_cold_items=4,
    n_bad_items=8,
    n_unknown_items=9,
    seconds=1.26,
)


def test_density():
    assert SUMMARY.density == 0.2


def test_the_table_shows_every_count_and_no_reason_that_dropped_nothing():
    console = Console(file=io.StringIO(), width=80)
    console.print(SUMMARY.as_table())
    text = console.file.getvalue()
    cells = [line.strip("│ ").split("│") for line in text.splitlines() if "│" in line]
    shown = {label.strip(): value.strip() for label, value in cells}
    assert shown == {
        "rows read": "1,234",
        "dropped: outside the k-core": "34",
        "texts: HTML taken out": "7",
        "users": "100",
        "items": "60",
        "reviews": "1,200",
        "train": "900   75.0%",
        "valid": "60    5.0%",
        "test": "240   20.0%",
        "split": "ratio",
        "density": "20.0000%",
        "words per review": "12.3",
        "reviews without text": "5",
        "users without training review": "3",
        "items without training review": "4",
        "bad rows of item metadata": "8",
        "items without metadata": "9",
        "seconds": "1.3",
    }


def test_a_name_with_markup_is_shown_as_it_is():
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(dataclasses.replace(SUMMARY, name="shop[/b]").as_table())
    assert console.file.getvalue().splitlines()[0].strip() == "shop[/b]"
