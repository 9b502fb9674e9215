"""The train step: against torch, with and without what saves memory, on several devices."""

import dataclasses

import jax
import numpy as np
import pytest
import torch

from symcere_jax.text.finetuning import FinetuneConfig
from symcere_jax.text.finetuning.step import build_optimizer
from symcere_jax.text.language_models.checkpoint import read_layers
from tests.text.finetuning.small import checkpoint_of, loss_and_gradients, random_batch
from tests.text.language_models.models import WIDTH, make_model

TEMPERATURE = 0.3


def _item_vectors(seed=1):
    vectors = np.random.default_rng(seed).normal(size=(7, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _torch_vectors(model, tokens, lengths):
    rows = []
    for row, length in zip(tokens, lengths, strict=True):
        hidden = model(input_ids=torch.tensor(row[None, :length].astype(np.int64)))
        mean = hidden.last_hidden_state[0].mean(0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


def _torch_loss(reviews, others, item):
    """Symmetric SINCERE, pair by pair."""
    total = 0.0
    for anchors, candidates in ((others, reviews), (reviews, others)):
        for a in range(len(item)):
            own = [c for c in range(len(item)) if item[c] == item[a]]
            other = [c for c in range(len(item)) if item[c] != item[a]]
            scores = candidates @ anchors[a] / TEMPERATURE
            mass = scores[other].exp().sum()
            losses = [-torch.log(scores[c].exp() / (scores[c].exp() + mass)) for c in own]
            total = total + sum(losses) / len(own) / len(item) / 2
    return total


@pytest.mark.parametrize("n_trained", [1, 2])
@pytest.mark.parametrize("in_pairs", [True, False])
def test_loss_and_gradients_equal_those_of_torch(bert, tmp_path, in_pairs, n_trained):
    folder = bert[0]
    model = make_model(tmp_path, "bert").double()
    tokens, lengths, item = random_batch(2 if in_pairs else 1)
    item_vectors = None if in_pairs else _item_vectors()
    reviews = _torch_vectors(model, tokens[0], lengths[0])
    if in_pairs:
        others = _torch_vectors(model, tokens[1], lengths[1])
    else:
        others = torch.tensor(item_vectors.astype(np.float64))[item.tolist()]
    expected = _torch_loss(reviews, others, item)
    expected.backward()
    torch_gradients = {name: p.grad for name, p in model.named_parameters()}
    layers = range(2 - n_trained, 2)
    expected_gradients = read_layers(folder, layers, lambda name: torch_gradients[name].numpy())

    loss, gradients = loss_and_gradients(
        checkpoint_of(folder, n_trained),
        tokens,
        lengths,
        item,
        item_vectors,
        TEMPERATURE,
        n_trained,
    )
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert gradients.keys() == expected_gradients.keys()

    def compare(found, wanted):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())

    for name in gradients:
        # The gradient of a key's bias is 0: it adds the same to all scores of a query.
        for tree in (gradients[name], expected_gradients[name]):
            assert np.abs(tree["attention_in"]["bias"]).max() > 1e-3
            tree["attention_in"]["bias"] = np.delete(
                tree["attention_in"]["bias"], np.s_[WIDTH : 2 * WIDTH]
            )
    jax.tree.map(compare, gradients, expected_gradients)


@pytest.mark.parametrize("kind", ["bert", "mpnet", "qwen3"])
def test_gradients_do_not_depend_on_what_is_kept_for_them(tmp_path, kind):
    make_model(tmp_path, kind)
    checkpoint = checkpoint_of(tmp_path, 2)
    # Without trained layers, the module keeps everything and lets gradients pass.
    plain = dataclasses.replace(checkpoint, module=checkpoint.module.clone(n_trained=0))
    batch = (*random_batch(2), None, TEMPERATURE, 2)
    loss, gradients = loss_and_gradients(checkpoint, *batch)
    plain_loss, plain_gradients = loss_and_gradients(plain, *batch)
    assert loss == pytest.approx(plain_loss, rel=1e-6)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(plain_gradients))
    assert largest > 1e-3

    def compare(found, wanted):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6 * largest)

    jax.tree.map(compare, gradients, plain_gradients)


def test_trained_layers_are_computed_anew_for_the_gradient_and_lower_ones_get_none(bert):
    checkpoint = checkpoint_of(bert[0], 1)
    tokens, lengths, _ = random_batch(1)

    def total(parameters):
        hidden = checkpoint.module.apply({"params": parameters}, tokens[0], lengths[0])
        return (hidden**2 * np.arange(WIDTH)).sum()

    text = str(jax.make_jaxpr(jax.grad(total))(checkpoint.parameters))
    assert text.count("remat") == checkpoint.module.n_trained == 1
    gradients = jax.grad(total)(checkpoint.parameters)
    assert np.abs(gradients.pop("layer_1")["inner"]["kernel"]).max() > 0.1
    assert not any(leaf.any() for leaf in jax.tree.leaves(gradients))


SCRIPT = """
import sys
from pathlib import Path
import jax, numpy as np
from tests.text.finetuning.small import checkpoint_of, loss_and_gradients, random_batch

folder, path, n_devices, n_views = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
assert jax.local_device_count() == n_devices
vectors = None if n_views == 2 else np.load(path)
loss, gradients = loss_and_gradients(
    checkpoint_of(folder), *random_batch(n_views), vectors, 0.3)
leaves = {jax.tree_util.keystr(k): v for k, v in jax.tree.leaves_with_path(gradients)}
np.savez(path, loss=loss, **leaves)
"""


@pytest.mark.parametrize(("n_devices", "n_views"), [(2, 2), (8, 1)])
def test_the_number_of_devices_changes_nothing(bert, run_on_devices, tmp_path, n_devices, n_views):
    path = tmp_path / "vectors.npz"
    vectors = None
    if n_views == 1:
        vectors = _item_vectors()
        with path.open("wb") as file:
            np.save(file, vectors)
    run_on_devices(n_devices, SCRIPT, bert[0], path, n_devices, n_views)
    loss, gradients = loss_and_gradients(
        checkpoint_of(bert[0]), *random_batch(n_views), vectors, TEMPERATURE
    )
    many = np.load(path)
    assert float(many["loss"]) == pytest.approx(loss, rel=1e-5)
    for key, leaf in jax.tree.leaves_with_path(gradients):
        scale = max(np.abs(leaf).max(), 1e-3)
        np.testing.assert_allclose(
            many[jax.tree_util.keystr(key)], leaf, rtol=1e-3, atol=1e-5 * scale
        )


@pytest.mark.parametrize("n_steps", [1, 2, 37, 100])
def test_the_learning_rate_rises_for_a_tenth_of_the_steps_and_falls_to_nearly_0(n_steps):
    """Steps of a parameter under a constant gradient, by which Adam divides, without decay."""
    optimizer = build_optimizer(FinetuneConfig(learning_rate=0.1), n_steps)
    parameter = np.zeros(1, np.float32)
    state = optimizer.init(parameter)
    rates = []
    for _ in range(n_steps):
        update, state = optimizer.update(np.full(1, 0.5, np.float32), state, parameter)
        rates.append(-float(update[0]))
    n_rising = -(-n_steps // 10)
    rising = 0.1 * np.arange(1, n_rising + 1) / n_rising
    falling = 0.1 * (1 - np.arange(1, n_steps - n_rising + 1) / (n_steps - n_rising + 1))
    np.testing.assert_allclose(rates, [*rising, *falling], rtol=1e-4)


def test_matrices_decay_and_biases_do_not():
    optimizer = build_optimizer(FinetuneConfig(learning_rate=0.1), 1)
    tree = {"kernel": np.ones((2, 2), np.float32), "bias": np.ones(2, np.float32)}
    nothing = jax.tree.map(np.zeros_like, tree)
    updates, _ = optimizer.update(nothing, optimizer.init(tree), tree)
    np.testing.assert_allclose(updates["kernel"], -0.1 * 0.01, rtol=1e-5)
    assert not updates["bias"].any()
