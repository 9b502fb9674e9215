"""Every notebook runs from top to bottom, and is committed with its outputs."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = ("quickstart", "ablations", "explain", "multi_device")
MOST_BYTES = 500_000


def read(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def test_no_notebook_is_left_out():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_top_to_bottom(name, tmp_path, monkeypatch):
    root = str(FOLDER.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    # Quick to compile, and one device whatever the tests have.
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    notebook = read(name)
    for cell in notebook.cells:
        cell.outputs = []
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    text = str([cell.get("outputs") for cell in notebook.cells])
    assert "image/png" in text
    if name == "multi_device":
        found = re.search(r"largest difference of the validation scores: ([0-9.e-]+)", text)
        assert float(found[1]) < 1e-3
        assert "8 epochs, now on 1 device" in text


@pytest.mark.parametrize("name", NAMES)
def test_it_carries_its_outputs(name):
    notebook = read(name)
    assert (FOLDER / f"{name}.ipynb").stat().st_size < MOST_BYTES
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1))  # run once, in order
    outputs = [output for cell in code for output in cell.outputs]
    assert not any(output.output_type == "error" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_all_install_alike():
    assert len({read(name).cells[1].source for name in NAMES}) == 1


@pytest.mark.parametrize(
    ("within", "files", "source", "expected"),
    [
        ("checkout/notebooks", ["checkout/symcere_jax/__init__.py"], "", "checkout"),
        (".", ["symcere_jax-0.1.0-py3-none-any.whl"], "", "symcere_jax-0.1.0-py3-none-any.whl"),
        (".", ["symcere_jax-0.1.0.tar.gz"], "git+https://host/x.git", "git+https://host/x.git"),
        (".", [], "", None),
    ],
    ids=["checkout", "wheel", "named", "nothing"],
)
def test_what_it_installs_from(within, files, source, expected, tmp_path, monkeypatch):
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / within).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / within)
    monkeypatch.setenv("SYMCERE_JAX", source)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    cell = read("quickstart").cells[1].source
    if expected is None:
        with pytest.raises(RuntimeError, match="pip wheel --no-deps"):
            exec(cell, {})
        return
    exec(cell, {})
    [command] = commands
    if not expected.startswith("git"):
        expected = str(tmp_path / expected)
    assert command[1:] == ["-m", "pip", "install", "-q", expected]
