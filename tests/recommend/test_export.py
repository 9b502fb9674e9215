import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

from symcere_jax.errors import ConfigError, StorageError
from symcere_jax.models import score_block
from symcere_jax.recommend.export import export_model

# Runs in a process that must not find this package.
SCRIPT = """
import sys
import jax, jax.export, numpy as np
folder = sys.argv[1]
with open(f"{folder}/score.stablehlo", "rb") as file:
    score = jax.export.deserialize(file.read()).call
arrays = np.load(f"{folder}/embeddings.npz", allow_pickle=False)
tables = [arrays[name] for name in ("users", "items", "item_bias")]
found = [np.asarray(score(*tables, np.int32(rows))) for rows in ([3], [5, 0, 5], range(64))]
np.savez(sys.argv[2], *found)
assert not any(name.startswith("symcere_jax") for name in sys.modules)
"""


@pytest.fixture(scope="module")
def exported(recommender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    paths = export_model(recommender, folder)
    assert [path.name for path in paths] == [
        "embeddings.npz",
        "embeddings.safetensors",
        "export.json",
        "items.parquet",
        "score.stablehlo",
        "users.parquet",
    ]
    return folder


def test_scores_of_any_batch_without_the_package(exported, recommender, tmp_path):
    output = tmp_path / "found.npz"
    command = [sys.executable, "-I", "-c", SCRIPT, str(exported), str(output)]
    subprocess.run(command, check=True)
    found = np.load(output)
    for name, rows in zip(found.files, ([3], [5, 0, 5], range(64)), strict=True):
        expected = score_block(recommender.embeddings, np.int32(rows))
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-5)


def test_embeddings_with_their_ids(exported, recommender):
    arrays = np.load(exported / "embeddings.npz", allow_pickle=False)
    assert set(arrays) == {"users", "items", "item_bias"}
    for name, array in safetensors.numpy.load_file(exported / "embeddings.safetensors").items():
        np.testing.assert_array_equal(array, arrays[name])
    for kind, ids in (("user", recommender.users.ids), ("item", recommender.items.ids)):
        table = pq.read_table(exported / f"{kind}s.parquet")
        assert table[f"{kind}_id"].to_pylist() == ids.tolist()
        np.testing.assert_array_equal(table["embedding"].to_pylist(), arrays[f"{kind}s"])
    np.testing.assert_array_equal(table["bias"], arrays["item_bias"])
    content = json.loads((exported / "export.json").read_text())
    assert content["dim"] == arrays["items"].shape[1]
    assert content["fingerprint"] == recommender.metadata.fingerprint


def test_long_ids_and_ids_that_end_in_nul(recommender, tmp_path):
    names = ["end\0", "long" * 50_000]
    export_model(recommender.with_items({name: ["pool"] for name in names}), tmp_path / "model")
    table = pq.read_table(tmp_path / "model" / "items.parquet", columns=["item_id"])
    assert table["item_id"].to_pylist()[-2:] == names
    # One long id does not widen all of them, which were 52 × 200,000 × 4 bytes.
    assert sum(path.stat().st_size for path in (tmp_path / "model").iterdir()) < 2e6


def test_a_folder_that_exists_is_kept(exported, recommender, tmp_path):
    with pytest.raises(ConfigError, match="exists; choose another --output"):
        export_model(recommender, exported)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        export_model(recommender, tmp_path / "file" / "model")
