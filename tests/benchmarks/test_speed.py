import gzip
import json
import os
import sys

import numpy as np
import pytest

from benchmarks.speed import other_libraries, problem
from symcere_jax.errors import DataError
from symcere_jax.graph import bipartite_graph, build_adjacency
from tests.text.hub.models import make_model


def test_growth_with_the_data(page, start):
    start("speed.scale", "--interactions=3e3,6e3", "--rounds=1")
    sizes = [int(row[0].replace(",", "")) for row in page.rows("scale")]
    assert 2000 < sizes[0] < 3000 < sizes[1] < 6000
    assert "to the power" in page.text("scale")


def test_speed_beside_others(page, start):
    start("speed.comparison", "--generated=3000", "--rounds=1")
    sides = [row[0] for row in page.rows("speed")]
    assert sides.count("symcere_jax") == 3
    assert {"torch COO", "torch CSR", "torch.topk"} <= set(sides)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("side", ["ours", "COO", "CSR"])
def test_message_passing_of_all_sides_is_the_same(side):
    graph = bipartite_graph(problem.power_law_interactions(500), 20, 25)
    states = np.random.default_rng(0).standard_normal((45, 3)).astype(np.float32)
    if side == "ours":
        run = problem.message_passing(build_adjacency(graph), states)
    else:
        run = other_libraries.torch_passing(other_libraries.torch_layer(graph, side), states)
    dense = np.zeros((45, 45))
    dense[np.asarray(graph.receivers), np.asarray(graph.senders)] = graph.edges
    passing = (np.eye(45) + dense + dense @ dense + dense @ dense @ dense) / 4
    np.testing.assert_allclose(run(), 2 * passing.T @ passing @ states, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_cores_and_devices(page, start):
    start("speed.devices", "--generated=3000", "--rounds=1", "--case=2 processes of 1 core")
    [row] = page.rows("devices")
    assert len(row) == 5 and row[2] == row[4] == "1.00"


def test_compiling_for_other_devices(page, start):
    start("speed.accelerators", "--interactions=2e3")
    [row] = page.rows("accelerators")
    assert row[:2] == ["cpu", "1"] and 1000 < int(row[2].replace(",", "")) < 2000
    assert all(0 <= float(gibibytes) < 1 for gibibytes in row[4:])


def test_a_language_model_beside_torch(page, start, tmp_path):
    make_model(tmp_path / "bert", "bert")
    start("speed.text_speed", f"--model={tmp_path / 'bert'}", "--shapes=2x8", "--turns=1")
    [row] = page.rows("text speed")
    assert row[0] == "2x8" and float(row[-1]) < 1e-4


def test_preparing(page, start, tmp_path):
    start(
        "speed.preparing",
        "--generate=500",
        "--generated_flags=--text_encoder=none",
        "--data=small: --source=synthetic --text_encoder=none --synthetic_users=20",
        f"--scratch={tmp_path}",
    )
    small, generated = page.rows("data_prep")
    assert (small[0], small[3]) == ("small", "20")
    assert generated[:2] == ["generated, 0.0 GB", "500"]
    assert list(tmp_path.iterdir()) == [page.path]


def test_pipelines_beside_other_libraries(page, start, dataset, tmp_path):
    """Of one library, in this environment instead of its own; the others are measured already."""
    title, function = "implicit, iALS", "implicit_ials"
    python = tmp_path / "environments" / "implicit" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (python.parents[1] / "installed.txt").write_text("implicit==0.7.3")
    others = ("symcere_jax", "rectools_ials", "cornac_ctr", "cornac_lightgcn", "recbole_lightgcn")
    for name in others:
        folder = tmp_path / "runs" / dataset.name / name
        folder.mkdir(parents=True)
        (folder / "measured.json").write_text('{"seconds": [1, 2, 3], "ndcg": 0.5}')
    places = [f"--workdir={tmp_path / 'runs'}", f"--environments={tmp_path / 'environments'}"]
    start("speed.pipelines", f"--datasets={dataset.folder}", *places)
    rows = {row[1]: row for row in page.rows("pipelines")}
    assert len(rows) == 6
    assert rows["symcere_jax"][2:] == ["1.0", "2.0", "3.0", "6.0", "0.5000"]

    lists = json.loads((tmp_path / "runs" / dataset.name / function / "output.json").read_text())
    places = [
        {name: row for row, name in enumerate(ids)}
        for ids in (dataset.user_ids(), dataset.item_ids())
    ]
    known = {tuple(pair) for pair in np.concatenate([dataset.train, dataset.valid]).tolist()}
    values = []
    for user in np.unique(dataset.test[:, 0]):
        wanted = set(dataset.test[dataset.test[:, 0] == user, 1].tolist())
        items = [places[1][item] for item in lists["lists"][str(dataset.user_ids()[user])]]
        assert not any((user, item) in known for item in items)
        gains = 1 / np.log2(np.arange(2, 12))
        hits = [item in wanted for item in items]
        values.append(gains[: len(hits)] @ hits / gains[: min(len(wanted), 10)].sum())
    assert rows[title][-1] == f"{np.mean(values):.4f}"


def test_a_line_is_a_user_and_items(tmp_path):
    with gzip.open(tmp_path / "train.txt.gz", "wt") as file:
        file.write("3 5 0\n1\n0 2\n")
    assert problem.load_interactions(str(tmp_path), 0).tolist() == [[3, 5], [3, 0], [0, 2]]
    with gzip.open(tmp_path / "train.txt.gz", "at") as file:
        file.write("0 one\n")
    with pytest.raises(DataError, match=r"train\.txt\.gz"):
        problem.load_interactions(str(tmp_path), 0)
