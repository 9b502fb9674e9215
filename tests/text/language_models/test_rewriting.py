"""Checkpoints in which some layers are changed: what is read back, here and by torch."""

import json

import jax
import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from symcere_jax.errors import DataError
from symcere_jax.text.language_models import SentenceEncoder
from symcere_jax.text.language_models.checkpoint import Checkpoint
from symcere_jax.text.language_models.rewriting import write_changed
from symcere_jax.text.language_models.weights import weight_files
from tests.text.language_models.models import (
    CONFIGS,
    make_model,
    random_texts,
    torch_vectors,
    write_sentence_settings,
)


def _changed(checkpoint, number=1, seed=0):
    """A layer with other parameters, no two of which are equal."""
    rng = np.random.default_rng(seed)
    layer = checkpoint.parameters[f"layer_{number}"]
    return jax.tree.map(lambda x: x + 0.1 * rng.normal(size=x.shape).astype(np.float32), layer)


def _tensors(folder):
    """Dtype, shape and bytes of each tensor, and which file it is in."""
    found = {}
    for path in weight_files(folder):
        for name, tensor in load_file(path).items():
            content = tensor.contiguous().view(torch.uint8).numpy().tobytes()
            found[name] = (path.name, tensor.dtype, tensor.shape, content)
    return found


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_changed_layer_is_read_back_and_torch_computes_the_same(tmp_path, kind):
    source, target = tmp_path / "source", tmp_path / "target"
    make_model(source, kind)
    write_sentence_settings(source, {"pooling_mode_mean_tokens": True}, max_seq_length=30)
    target.mkdir()
    checkpoint = Checkpoint.open(source)
    layer = _changed(checkpoint)
    names = write_changed(source, target, {1: layer})

    found = Checkpoint.open(target)
    jax.tree.map(
        np.testing.assert_array_equal, found.parameters, {**checkpoint.parameters, "layer_1": layer}
    )
    before, after = _tensors(source), _tensors(target)
    assert list(before) == list(after)
    assert [name for name in sorted(before) if before[name] != after[name]] == names
    assert all(before[name][:3] == after[name][:3] for name in names)
    assert len(names) > 5 and all("layer.1." in name or "layers.1." in name for name in names)

    # All but the weights is as it was.
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    assert files == {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
    for path in files:
        if path.suffix != ".safetensors":
            assert (source / path).read_bytes() == (target / path).read_bytes()

    texts = random_texts(5, 9)
    made = SentenceEncoder(target).encode(texts)
    model = transformers.AutoModel.from_pretrained(target).eval()
    tokens = transformers.PreTrainedTokenizerFast.from_pretrained(target)(texts)["input_ids"]
    np.testing.assert_allclose(made, torch_vectors(model, tokens, "mean"), atol=1e-4)
    assert np.abs(made - SentenceEncoder(source).encode(texts)).max() > 1e-2


def test_the_same_parameters_give_the_same_file(tmp_path):
    make_model(tmp_path / "source", "bert")
    (tmp_path / "target").mkdir()
    checkpoint = Checkpoint.open(tmp_path / "source")
    layers = {number: checkpoint.parameters[f"layer_{number}"] for number in (0, 1)}
    write_changed(tmp_path / "source", tmp_path / "target", layers)
    before, after = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("source", "target")
    )
    assert before == after


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_several_files_of_another_dtype_with_the_name_of_the_model_in_front(tmp_path, dtype):
    source, target = tmp_path / "source", tmp_path / "target"
    make_model(source, "bert")
    target.mkdir()
    tensors = {
        f"bert.{name}": tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(source / "model.safetensors").items()
    }
    tensors["bert.embeddings.position_ids"] = torch.arange(70)  # int64, which JAX would narrow
    (source / "model.safetensors").unlink()
    index = {}
    for start, file in enumerate(("a.safetensors", "b.safetensors")):
        part = sorted(tensors)[start::2]
        save_file({name: tensors[name] for name in part}, source / file, metadata={"format": "pt"})
        index |= dict.fromkeys(part, file)
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))

    checkpoint = Checkpoint.open(source)
    layer = _changed(checkpoint)
    names = write_changed(source, target, {1: layer})
    before, after = _tensors(source), _tensors(target)
    assert [name for name in sorted(before) if before[name] != after[name]] == names
    with safe_open(target / "a.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
    found = Checkpoint.open(target).parameters["layer_1"]

    def compare(found, wanted):
        rounded = torch.tensor(np.asarray(wanted)).to(dtype).float().numpy()
        np.testing.assert_array_equal(found, rounded)

    jax.tree.map(compare, found, layer)


def test_what_cannot_be_written_is_refused(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    make_model(source, "bert")
    target.mkdir()
    layer = _changed(Checkpoint.open(source))
    layer["inner"]["kernel"] = layer["inner"]["kernel"] * np.nan
    with pytest.raises(DataError, match="no numbers"):
        write_changed(source, target, {1: layer})
    tensors = load_file(source / "model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    save_file(tensors | {name: tensors[name].to(torch.int8)}, source / "model.safetensors")
    with pytest.raises(DataError, match=f"tensor '{name}' is of type I8"):
        write_changed(source, target, {1: layer})
    (source / "model.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(DataError, match="not readable as safetensors"):
        write_changed(source, target, {1: layer})
