"""Nothing that is loaded can run code: neither do the calls allow it, nor do hostile files work."""

import ast
import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.data.dataset import load_array
from symcere_jax.errors import DataError, SymcereError
from symcere_jax.evaluation.stored_scores import read_runs
from symcere_jax.text.encoders.cache import VectorCache
from symcere_jax.text.hub.checkpoint import Checkpoint
from symcere_jax.text.hub.weights import weight_files
from symcere_jax.training import Checkpoints, load_embeddings

ROOT = Path(__file__).parents[2]
# Modules whose files may hold code, and calls that run what they are given.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
CALLS = {"extractall", "unpack_archive", "system", "popen"}


def _calls(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: word.value for word in node.keywords}, node


@pytest.mark.parametrize("room", ["symcere_jax", "data_prep", "launch", "benchmarks"])
def test_no_source_file_can_run_what_it_loads(room):
    paths = sorted((ROOT / room).rglob("*.py"))
    assert paths
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names]
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not {name.partition(".")[0] for name in names} & MODULES, path
        for name, words, node in _calls(path):
            where = f"{path}, line {node.lineno}: {ast.unparse(node)}"
            if name == "np.load":
                assert ast.unparse(words["allow_pickle"]) == "False", where
            if name.endswith("from_pretrained") and room == "symcere_jax":
                assert ast.unparse(words["trust_remote_code"]) == "False", where
            assert "shell" not in words, where
            assert name not in BUILT_IN and name.rpartition(".")[2] not in CALLS, where


class _Payload:
    """Pickled, a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def payload(tmp_path):
    """Bytes of an .npy file that runs code where it may; and what shows that it has run."""
    proof = tmp_path / "it_has_run"
    np.save(tmp_path / "payload.npy", np.array([_Payload(proof)], object), allow_pickle=True)
    content = (tmp_path / "payload.npy").read_bytes()
    np.load(tmp_path / "payload.npy", allow_pickle=True)
    assert proof.exists()  # the payload is a real one
    proof.rmdir()
    return content, proof


def test_an_array_of_objects_is_refused(tmp_path, payload):
    content, proof = payload
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npy: not a NumPy file"):
        load_array(tmp_path / "x.npy")
    assert not proof.exists()


def test_no_file_of_a_prepared_folder_can_be_one(dataset, tmp_path, payload):
    """Even where the manifest vouches for it."""
    content, proof = payload
    manifest = dataset.manifest
    for name in (name for name in manifest.files if name.endswith(".npy")):
        folder = tmp_path / "copy"
        folder.mkdir(exist_ok=True)
        for file in manifest.files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).unlink(missing_ok=True)
            (folder / file).symlink_to(dataset.folder / file)
        (folder / name).unlink()
        (folder / name).write_bytes(content)
        files = {**manifest.files, name: schema.file_entry(folder / name)}
        dataclasses.replace(manifest, files=files).write(folder)
        with pytest.raises(DataError):
            _use(ReviewDataset.load(folder))
        assert not proof.exists(), name


def _use(dataset: ReviewDataset) -> None:
    from symcere_jax.text import load_text_encoder

    for rows in ("users", "items", "reviews"):
        dataset.text_features("lsa", rows)
    load_text_encoder(dataset, "lsa").encode_texts(["pool"])


def test_scores_and_caches_of_objects_are_refused(tmp_path, payload, trained_run, dataset):
    content, proof = payload
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics_test.json").write_bytes((trained_run / "metrics_test.json").read_bytes())
    (run / "per_user_test.npz").write_bytes(content)
    with pytest.raises(SymcereError):
        read_runs([run], dataset, "test", "ndcg@10")
    (tmp_path / "vectors.sqlite").write_bytes(content)
    with pytest.raises(DataError, match="--text_cache"):
        VectorCache(tmp_path, 3)
    assert not proof.exists()


def test_a_checkpoint_of_objects_is_refused(tmp_path, payload, dataset):
    content, proof = payload
    folder = tmp_path / "checkpoints" / "0"
    folder.mkdir(parents=True)
    for name in ("contents.json", "tree", "metadata", "checkpoint"):
        (folder / name).write_bytes(content)
    assert Checkpoints(tmp_path).numbers() == [0]
    with pytest.raises(SymcereError):
        load_embeddings(tmp_path, dataset)
    assert not proof.exists()


def test_weights_in_another_format_and_outside_of_the_folder_are_refused(tmp_path, payload):
    content, proof = payload
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(DataError, match="only weights in the safetensors format are read"):
        weight_files(tmp_path)
    for name in ("../x.safetensors", "/etc/passwd", "a/../../x"):
        index = {"weight_map": {"a": name}}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(DataError, match="leads out of the folder"):
            weight_files(tmp_path)
    assert not proof.exists()


def test_code_in_the_folder_of_a_language_model_is_not_run(tmp_path):
    from tests.text.hub.models import make_model, write_sentence_settings

    make_model(tmp_path, "bert")
    write_sentence_settings(tmp_path, {"pooling_mode_mean_tokens": True})
    proof = tmp_path / "it_has_run"
    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(proof)!r})\nclass Evil: pass\n")
    code = {"AutoTokenizer": ["evil.Evil", "evil.Evil"], "AutoModel": "evil.Evil"}
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((tmp_path / name).read_text())
        content |= {"auto_map": code, "tokenizer_class": "Evil", "trust_remote_code": True}
        (tmp_path / name).write_text(json.dumps(content))
    modules = [{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}]
    for tokenizer in (True, False):
        if not tokenizer:
            (tmp_path / "tokenizer.json").unlink()
        for kinds in (None, modules):
            if kinds:
                (tmp_path / "modules.json").write_text(json.dumps(kinds))
            try:
                Checkpoint.open(tmp_path)
            except DataError as error:
                assert len(str(error).splitlines()) == 1
            assert not proof.exists()
