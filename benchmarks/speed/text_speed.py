r"""Encoder throughput against torch: same model, same texts, same batches, in one run.

  python -m benchmarks.speed.text_speed --model=models/all-MiniLM-L6-v2 --update=docs/text.md

Both sides get the same token numbers, without padding: JAX runs the module of symcere_jax with
pooling; torch runs the same checkpoint by `transformers`, with mean pooling, in eager mode. They
take turns; times are medians. On a GPU, both run in bfloat16.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import transformers
from absl import flags

from benchmarks import tables
from benchmarks.speed import problem
from symcere_jax.cli import startup
from symcere_jax.text.hub.checkpoint import Checkpoint, model_folder
from symcere_jax.text.hub.pooling import pool

_MODEL = flags.DEFINE_string("model", None, "folder of the model, or its name", required=True)
_SHAPES = flags.DEFINE_list("shapes", ["64x32", "32x64", "16x128", "8x256"], "texts x tokens")
_TURNS = flags.DEFINE_integer("turns", 9, "turns of each", lower_bound=1)


def jax_side(folder: Path, bfloat16: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Encodes token numbers by JAX."""
    checkpoint = Checkpoint.open(folder, bfloat16=bfloat16)
    parameters = jax.device_put(checkpoint.parameters)

    @jax.jit
    def encode(parameters, tokens, lengths):
        hidden = checkpoint.module.apply({"params": parameters}, tokens, lengths)
        return pool(hidden, lengths, "mean")

    return lambda tokens: np.asarray(
        encode(parameters, tokens, np.full(len(tokens), tokens.shape[1], np.int32))
    )


def torch_side(folder: Path, bfloat16: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Encodes token numbers by torch."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    model = transformers.AutoModel.from_pretrained(folder, dtype=dtype).eval().to(device)

    def encode(tokens: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            numbers = torch.tensor(tokens, dtype=torch.long, device=device)
            hidden = model(input_ids=numbers, attention_mask=torch.ones_like(numbers))
            return hidden.last_hidden_state.float().mean(1).cpu().numpy()

    return encode


def main() -> None:
    """Takes turns and shows the table."""
    folder = model_folder(_MODEL.value)
    device = jax.devices()[0]
    bfloat16 = device.platform == "gpu"
    sides = {"torch": torch_side(folder, bfloat16), "JAX": jax_side(folder, bfloat16)}
    n_tokens = transformers.AutoConfig.from_pretrained(folder).vocab_size
    rng = np.random.default_rng(0)
    rows = []
    for shape in _SHAPES.value:
        n, length = map(int, shape.split("x"))
        tokens = rng.integers(n_tokens // 2, n_tokens, (n, length), np.int32)  # no special ones
        vectors = {name: encode(tokens) for name, encode in sides.items()}
        runs = {name: functools.partial(encode, tokens) for name, encode in sides.items()}
        seconds = problem.medians(runs, _TURNS.value)
        difference = np.abs(vectors["torch"] - vectors["JAX"]).max()
        rows.append(
            {
                f"on {device.device_kind}, texts x tokens": shape,
                "torch, texts/s": f"{n / seconds['torch']:.3g}",
                "JAX, texts/s": f"{n / seconds['JAX']:.3g}",
                "ratio": f"{seconds['torch'] / seconds['JAX']:.2f}",
                "largest difference": f"{difference:.1e}",
            }
        )
    tables.publish(tables.markdown(rows), "text speed")


if __name__ == "__main__":
    startup.run(main)
