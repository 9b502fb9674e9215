"""Draws the pictures of the documentation from its tables.

  python -m benchmarks.plots

reads README.md and docs/ and writes results.svg, ablation.svg, whole_run.svg and speed.svg into
docs/images.
"""

import re
from pathlib import Path

from absl import app

from benchmarks import pictures
from symcere_jax.files import write_text

ROOT = Path(__file__).resolve().parents[1]
Rows = dict[str, tuple[float, float, float]]


def main(arguments: list[str]) -> None:
    """Draws all pictures."""
    del arguments
    readme, ablation, speed = (
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("README.md", "docs/ablation.md", "docs/speed.md")
    )
    names = ("hotels", "gift cards", "magazines", "ratings, on hotels")
    whole = ("hotels", "instruments", "films")  # of the whole run
    tables = [table for table in parse(ablation) if table[0][0] == "variant"]
    found = {
        "results": pictures.intervals(
            {"SymCERE with its defaults, against the best baseline": gains(parse(readme))},
            "{:+.1f} %",
            "test NDCG@10 ± standard error over users",
        ),
        "ablation": pictures.intervals(
            dict(zip(names, map(differences, tables), strict=False)),
            "{:+.1f} %",
            "test NDCG@10 without a part, against the full model; 95 % paired bootstrap interval",
        ),
        "whole_run": pictures.intervals(
            dict(zip(whole, map(differences, tables[len(names) :]), strict=True)),
            "{:+.1f} %",
            "test NDCG@10 of a run with other experts, against the defaults; 95 % interval",
        ),
        "speed": pictures.intervals(
            {table[0][0]: slowness(table) for table in parse(speed) if "× ours" in table[0]},
            "{:.1f} ×",
            "times the duration of symcere_jax, on two CPU cores",
        ),
    }
    for name, picture in found.items():
        write_text(ROOT / "docs" / "images" / f"{name}.svg", picture)


def parse(text: str) -> list[list[list[str]]]:
    """The tables of a page: rows of cells, the header first."""
    tables = re.findall(r"(?:^\|.*\n?)+", text, re.M)
    return [
        [
            [cell.strip(" *`") for cell in line.strip("|").split("|")]
            for line in table.splitlines()
            if not re.fullmatch(r"[|\s:-]+", line)
        ]
        for table in tables
    ]


def gains(tables: list[list[list[str]]]) -> Rows:
    """From the table of results: gain over the best baseline, in percent, by data set."""
    [(header, *lines)] = [table for table in tables if table[0][0].startswith("test ")]
    by_title = {line[0].split(" (")[0]: line[1:] for line in lines}
    [gain] = [cells for title, cells in by_title.items() if "defaults, against" in title]
    rows = {}
    for name, cell, mean, error in zip(
        header[1:],
        gain,
        by_title["SymCERE, defaults"],
        by_title["standard error over users"],
        strict=True,
    ):
        value = float(cell.partition("%")[0])
        baseline = float(mean.split()[0]) / (1 + value / 100)
        spread = 100 * float(error) / baseline
        rows[name] = (value, value - spread, value + spread)
    return rows


def differences(table: list[list[str]]) -> Rows:
    """From the table of an ablation: difference to the first row, in percent, by variant."""
    full = float(table[1][1].split()[0])
    rows = {}
    for variant, _, difference, interval, *_ in table[2:]:
        low, high = (100 * float(end) / full for end in interval.strip("[]").split(","))
        rows[variant] = (float(difference.partition("(")[2].strip("%)")), low, high)
    return rows


def slowness(table: list[list[str]]) -> Rows:
    """From a table of durations: how many times as long each other library takes."""
    column = table[0].index("× ours")
    times = {line[0]: float(line[column]) for line in table[1:] if line[column]}
    return {name: (value, 0.0, value) for name, value in times.items()}


if __name__ == "__main__":
    app.run(main)
