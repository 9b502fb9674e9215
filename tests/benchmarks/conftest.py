"""Benchmarks as their users start them, on data that is small."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LABELS = ("accelerators", "all_users", "data_prep", "devices", "incremental", "pipelines",
          "results", "retrieval", "scale", "serving", "small", "speed", "text speed")  # fmt: skip


class Page:
    """A Markdown file with a place for each table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("".join(f"<!-- {label} -->\n<!-- /{label} -->\n" for label in LABELS))

    def text(self, label: str) -> str:
        """What stands between the marks of a label."""
        text = self.path.read_text()
        return text.partition(f"<!-- {label} -->\n")[2].partition(f"<!-- /{label} -->")[0]

    def rows(self, label: str) -> list[list[str]]:
        """The cells of a table, without its header."""
        lines = [line for line in self.text(label).splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


@pytest.fixture
def page(tmp_path) -> Page:
    return Page(tmp_path / "page.md")


@pytest.fixture
def start(page: Page) -> Callable[..., None]:
    """Starts a benchmark, which must end well, and has it write its table into the page."""

    def run(name: str, *arguments: object) -> None:
        command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
        done = subprocess.run(
            [*command, f"--update={page.path}"],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    return run
