"""A prepared folder whose reviews are made of the words that the small models know."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data_prep.config import PrepareConfig
from data_prep.pipeline import prepare
from symcere_jax.data import ReviewDataset
from symcere_jax.text.finetuning.step import State, build_step
from symcere_jax.text.language_models.checkpoint import Checkpoint
from symcere_jax.training.devices import replicate, unreplicate
from tests.text.language_models.models import WORDS

N_ITEMS, N_REVIEWS = 14, 16  # items, reviews of each


def prepare_reviews(folder: Path, seed: int = 0) -> ReviewDataset:
    """Each item has a word, a third of what is said of it; one review has no text."""
    rng = np.random.default_rng(seed)
    rows = []
    for item in range(N_ITEMS):
        for user in range(N_REVIEWS):
            n = int(rng.integers(2, 12))
            own = rng.random(n) < 0.3
            words = np.where(own, WORDS[item], rng.choice(WORDS, n))
            split = {0: "test", 1: "valid", 2: "valid"}.get((user + item) % N_REVIEWS, "train")
            text = " ".join(words) if (item, user) != (3, 9) else " "
            rows.append({"u": f"u{user}", "i": f"i{item}", "t": text, "s": split, "r": 5})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reviews.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = PrepareConfig(
        source="table",
        input=path,
        output=folder / "data",
        user_field="u",
        item_field="i",
        text_field="t",
        rating_field="r",
        split_field="s",
        split="predefined",
        k_core=1,
        text_encoder="none",
    )
    prepare(config)
    return ReviewDataset.load(config.output)


def checkpoint_of(folder: Path, n_trained: int = 1) -> Checkpoint:
    """A model of which the last layers are trained."""
    checkpoint = Checkpoint.open(folder)
    module = checkpoint.module.clone(n_trained=n_trained)
    return dataclasses.replace(checkpoint, module=module)


def loss_and_gradients(
    checkpoint: Checkpoint,
    tokens: np.ndarray,
    lengths: np.ndarray,
    item: np.ndarray,
    item_vectors: np.ndarray | None,
    temperature: float,
    n_trained: int = 1,
) -> tuple[float, dict]:
    """What one train step sees: its loss, and the gradients that reach the optimiser.

    Args:
        checkpoint: the model.
        tokens: `[n_views, batch, length]`; the batch is shared by all local devices.
        lengths: `[n_views, batch]`.
        item: `[batch]`.
        item_vectors: `[n_items, width]`, or None.
        temperature: of the loss.
        n_trained: layers at the end.
    """
    n = jax.local_device_count()
    keep = optax.GradientTransformation(
        lambda params: params,
        lambda gradients, state, params: (jax.tree.map(jnp.zeros_like, gradients), gradients),
    )
    names = {f"layer_{checkpoint.n_layers - 1 - back}" for back in range(n_trained)}
    trained = {name: checkpoint.parameters[name] for name in names}
    frozen = {k: v for k, v in checkpoint.parameters.items() if k not in names}
    state, losses = build_step(checkpoint, keep, temperature)(
        replicate(State(trained, trained)),
        replicate(frozen),
        np.stack(np.split(tokens, n, axis=1)),
        np.stack(np.split(lengths, n, axis=1)),
        item.reshape(n, -1),
        None if item_vectors is None else replicate(item_vectors),
    )
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(unreplicate(state.trained)), trained)
    return float(losses[0]), jax.device_get(unreplicate(state.optimizer))


def random_batch(n_views: int, seed: int = 0, n: int = 16) -> tuple[np.ndarray, ...]:
    """Tokens, lengths and items of a batch with several reviews of an item."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 13, (n_views, n)).astype(np.int32)
    tokens = rng.integers(4, 60, (n_views, n, 16)).astype(np.int32)
    tokens *= np.arange(16) < lengths[:, :, None]
    return tokens, lengths, rng.integers(0, 7, n).astype(np.int32)
