"""Small random checkpoints of each architecture, and what torch makes of them."""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from symcere_jax.text.hub import SentenceEncoder

WORDS = [
    *("red", "brake", "lens", "hose", "tent", "rope", "gasket"),
    *("city", "hotel", "breakfast", "quiet", "clean", "staff", "pool"),
]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
PIECES = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
WIDTH = 32

_COMMON = {
    "vocab_size": 70,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 70,
}
_DECODER = _COMMON | {"num_key_value_heads": 2, "rms_norm_eps": 1e-6}
CONFIGS = {
    "bert": transformers.BertConfig(**_COMMON),
    "roberta": transformers.RobertaConfig(**_COMMON, type_vocab_size=1, pad_token_id=1),
    "xlm-roberta": transformers.XLMRobertaConfig(**_COMMON, type_vocab_size=1, pad_token_id=1),
    "mpnet": transformers.MPNetConfig(**_COMMON, pad_token_id=1),
    "qwen3": transformers.Qwen3Config(**_DECODER, head_dim=12),
    "qwen2": transformers.Qwen2Config(**_DECODER),
    "llama": transformers.LlamaConfig(**_DECODER, attention_bias=True),
    "mistral": transformers.MistralConfig(**_DECODER, sliding_window=None),
}


def encoded(encoder: SentenceEncoder, texts: list[str]) -> np.ndarray:
    """Vectors of texts; that of each must come once."""
    vectors: dict[int, np.ndarray] = {}
    for places, rows in encoder.encode_as_done(texts):
        assert not vectors.keys() & set(places.tolist())
        vectors |= dict(zip(places.tolist(), rows, strict=True))
    return np.stack([vectors[place] for place in range(len(texts))])


def make_model(folder: Path, kind: str, **config: object) -> transformers.PreTrainedModel:
    """Writes a random checkpoint with a tokenizer of a few words; returns the torch model."""
    torch.manual_seed(0)
    settings = CONFIGS[kind].to_dict() | config
    model = transformers.AutoModel.from_config(type(CONFIGS[kind]).from_dict(settings)).eval()
    with torch.no_grad():  # larger than at the start of training, so that each part matters
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(8.0 if "relative" not in name else 30.0)
            else:
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer(kind).save_pretrained(folder)
    return model


def tokenizer(kind: str) -> transformers.PreTrainedTokenizerFast:
    words = {word: number for number, word in enumerate([*SPECIAL, *WORDS, *PIECES])}
    words_tokenizer = Tokenizer(models.WordPiece(words, unk_token="<unk>"))
    words_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    # Decoders have one token at the end, encoders one on each side.
    single = "$A </s>" if kind in ("qwen3", "qwen2", "llama", "mistral") else "<s> $A </s>"
    words_tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words_tokenizer, pad_token="<pad>", unk_token="<unk>"
    )


def write_sentence_settings(
    folder: Path, pooling: dict | None = None, prompts: dict | None = None, **transformer: object
) -> None:
    """Writes what sentence-transformers keeps in a model folder."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    ]
    if pooling is not None:
        modules.append({"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"})
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps(transformer))
    if prompts is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))


_POOLED = {
    "mean": lambda hidden: hidden.mean(0),
    "cls": lambda hidden: hidden[0],
    "max": lambda hidden: hidden.max(0).values,
    "lasttoken": lambda hidden: hidden[-1],
}


def torch_pooled(
    model: transformers.PreTrainedModel, tokens: list[list[int]], pooling: str
) -> np.ndarray:
    """Pooled hidden states of the torch model, text by text, without any padding."""
    out = []
    for row in tokens:
        with torch.inference_mode():
            hidden = model(input_ids=torch.tensor([row])).last_hidden_state[0].double()
        out.append(_POOLED[pooling](hidden).numpy())
    return np.stack(out)


def torch_vectors(
    model: transformers.PreTrainedModel, tokens: list[list[int]], pooling: str
) -> np.ndarray:
    """As `torch_pooled`, divided by their norm."""
    pooled = torch_pooled(model, tokens, pooling)
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def random_texts(n: int, longest: int, seed: int = 0) -> list[str]:
    """Texts of up to `longest` words."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, longest + 1))) for _ in range(n)]
