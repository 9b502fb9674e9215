"""Headless Chromium, for tests of pages."""

import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def browse(address: str, profile: Path, *arguments: str) -> str:
    """Opens a page and returns what Chromium prints.

    Args:
        address: of the page.
        profile: a folder for what Chromium keeps.
        arguments: such as `--dump-dom`, or `--screenshot=FILE`.
    """
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={profile}", *arguments, address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
