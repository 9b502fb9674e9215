"""MultVAE and its network."""

import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from symcere_jax.baselines.base import Baseline, Scorer, training_histories
from symcere_jax.baselines.graph_training import STEPS_PER_ROUND, Params, train_rounds
from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.models import normalize_rows


@dataclasses.dataclass(frozen=True)
class MultVae(Baseline):
    """MultVAE: a variational autoencoder of users' histories with a multinomial likelihood.

    Trained until validation NDCG@10 no longer grows; the best round is kept.

    Source: D. Liang, R. Krishnan, M. Hoffman, T. Jebara, "Variational Autoencoders for
    Collaborative Filtering", WWW 2018; here the weight of the divergence is constant.
    """

    title = "MultVAE"
    random = True
    space: ClassVar = {
        "latent_dim": (32, 64, 128, 200),
        "hidden_dim": (128, 256, 600),
        "batch_size": (128, 256, 512),
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "dropout": (0.3, 0.5, 0.7),
        "kl_weight": (0.05, 0.1, 0.2, 0.5, 1.0),
    }
    latent_dim: int = 64  # width of the latent vectors
    hidden_dim: int = 256  # width of the hidden layer on either side
    batch_size: int = 256  # users a step
    learning_rate: float = 1e-3  # of Adam
    dropout: float = 0.5  # share of a history that is hidden
    kl_weight: float = 0.2  # weight of the divergence from the prior

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        histories = training_histories(dataset)
        init_key, train_key = jax.random.split(jax.random.key(seed))
        params = _initial_params(dataset.n_items, self, init_key)

        def run_round(state: Any, number: int) -> tuple[Any, jax.Array]:
            return _run_steps(self, state, histories, jax.random.fold_in(train_key, number))

        start = (params, optax.adam(self.learning_rate).init(params))
        return train_rounds(
            start, run_round, lambda state: Scorer(score_block, (histories, state[0])), dataset
        )


def score_block(params: tuple[Histories, Params], users: jax.Array) -> jax.Array:
    """Logits of all items, from the mean of a user's latent vector, float32 `[b, n_items]`."""
    histories, network = params
    mean, _ = _encode(network, histories.multi_hot(users))
    return _decode(network, mean)


def mult_vae_loss(params: Params, items: jax.Array, key: jax.Array, settings: MultVae) -> jax.Array:
    """`mean_u( −Σ_i x_ui log softmax(logits)_i + kl_weight · KL(N(μ, σ²) ‖ N(0, 1)) )`.

    The items, float `[b, n_items]`, are histories as ones.
    """
    dropout_key, latent_key = jax.random.split(key)
    kept = jax.random.bernoulli(dropout_key, 1 - settings.dropout, items.shape)
    mean, log_variance = _encode(params, items * kept)
    noise = jax.random.normal(latent_key, mean.shape)
    logits = _decode(params, mean + noise * jnp.exp(log_variance / 2))
    likelihood = (items * jax.nn.log_softmax(logits)).sum(axis=1)
    divergence = 0.5 * (jnp.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1)
    return jnp.mean(settings.kl_weight * divergence - likelihood)


def _encode(params: Params, items: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and logarithm of the variance of latent vectors, each `[b, latent_dim]`."""
    hidden = jnp.tanh(normalize_rows(items) @ params["input"] + params["input_bias"])
    mean, log_variance = jnp.split(hidden @ params["latent"] + params["latent_bias"], 2, axis=1)
    return mean, log_variance


def _decode(params: Params, latent: jax.Array) -> jax.Array:
    hidden = jnp.tanh(latent @ params["hidden"] + params["hidden_bias"])
    return hidden @ params["output"] + params["output_bias"]


def _initial_params(n_items: int, settings: MultVae, key: jax.Array) -> Params:
    hidden, latent = settings.hidden_dim, settings.latent_dim
    shapes = {
        "input": (n_items, hidden),
        "latent": (hidden, 2 * latent),
        "hidden": (latent, hidden),
        "output": (hidden, n_items),
    }
    params: Params = {}
    for layer_key, (name, shape) in zip(jax.random.split(key, 4), shapes.items(), strict=True):
        params[name] = jax.nn.initializers.glorot_uniform()(layer_key, shape)
        params[f"{name}_bias"] = jnp.zeros(shape[1])
    return params


@functools.partial(jax.jit, static_argnames="settings")
def _run_steps(
    settings: MultVae, state: tuple, histories: Histories, key: jax.Array
) -> tuple[tuple, jax.Array]:
    """The state `STEPS_PER_ROUND` later, and the mean loss."""
    adam = optax.adam(settings.learning_rate)

    def step(state: tuple, key: jax.Array) -> tuple[tuple, jax.Array]:
        params, moments = state
        user_key, noise_key = jax.random.split(key)
        users = jax.random.randint(user_key, (settings.batch_size,), 0, len(histories.indptr) - 1)
        items = histories.multi_hot(users)
        value, gradients = jax.value_and_grad(mult_vae_loss)(params, items, noise_key, settings)
        updates, moments = adam.update(gradients, moments)
        return (optax.apply_updates(params, updates), moments), value

    state, losses = jax.lax.scan(step, state, jax.random.split(key, STEPS_PER_ROUND))
    return state, losses.mean()
