"""MultVAE and its network."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from symcere_jax.baselines.base import Scorer, training_histories
from symcere_jax.baselines.step_training import Params, StepModel
from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.models import normalize_rows


@dataclasses.dataclass(frozen=True)
class MultVae(StepModel):
    """MultVAE: a variational autoencoder of users' histories with a multinomial likelihood.

    Source: D. Liang, R. Krishnan, M. Hoffman, T. Jebara, "Variational Autoencoders for
    Collaborative Filtering", WWW 2018; here the weight of the divergence is constant.
    """

    title = "MultVAE"
    space: ClassVar = {
        "latent_dim": (32, 64, 128, 200),
        "hidden_dim": (128, 256, 600),
        "batch_size": (128, 256, 512),
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "dropout": (0.3, 0.5, 0.7),
        "kl_weight": (0.05, 0.1, 0.2, 0.5, 1.0),
    }
    batch_size: int = 256  # users per step
    latent_dim: int = 64  # width of the latent vectors
    hidden_dim: int = 256  # width of the hidden layer on either side
    dropout: float = 0.5  # share of a history that is hidden
    kl_weight: float = 0.2  # weight of the divergence from the prior

    def inputs(self, dataset: ReviewDataset) -> Histories:
        return training_histories(dataset)

    def initial_params(self, inputs: Histories, key: Array) -> Params:
        shapes = {
            "input": (inputs.n_items, self.hidden_dim),
            "latent": (self.hidden_dim, 2 * self.latent_dim),
            "hidden": (self.latent_dim, self.hidden_dim),
            "output": (self.hidden_dim, inputs.n_items),
        }
        params: Params = {}
        for layer_key, (name, shape) in zip(jax.random.split(key, 4), shapes.items(), strict=True):
            params[name] = jax.nn.initializers.glorot_uniform()(layer_key, shape)
            params[f"{name}_bias"] = jnp.zeros(shape[1])
        return params

    def sample(self, inputs: Histories, key: Array) -> Array:
        users = jax.random.randint(key, (self.batch_size,), 0, len(inputs.indptr) - 1)
        return inputs.multi_hot(users)

    def loss(self, params: Params, inputs: Histories, batch: Array, key: Array) -> Array:
        """`mean_u( −Σ_i x_ui log softmax(logits)_i + kl_weight · KL(N(μ, σ²) ‖ N(0, 1)) )`.

        The batch, float `[b, n_items]`, holds histories as ones.
        """
        dropout_key, latent_key = jax.random.split(key)
        kept = jax.random.bernoulli(dropout_key, 1 - self.dropout, batch.shape)
        mean, log_variance = _encode(params, batch * kept)
        noise = jax.random.normal(latent_key, mean.shape)
        logits = _decode(params, mean + noise * jnp.exp(log_variance / 2))
        likelihood = (batch * jax.nn.log_softmax(logits)).sum(axis=1)
        divergence = 0.5 * (jnp.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1)
        return jnp.mean(self.kl_weight * divergence - likelihood)

    def scorer(self, params: Params, inputs: Histories) -> Scorer:
        return Scorer(score_block, (inputs, params))


def score_block(params: tuple[Histories, Params], users: Array) -> Array:
    """Logits of all items, from the mean of a user's latent vector, float32 `[b, n_items]`."""
    histories, network = params
    mean, _ = _encode(network, histories.multi_hot(users))
    return _decode(network, mean)


def _encode(params: Params, items: Array) -> tuple[Array, Array]:
    """Mean and logarithm of the variance of latent vectors, each `[b, latent_dim]`."""
    hidden = jnp.tanh(normalize_rows(items) @ params["input"] + params["input_bias"])
    mean, log_variance = jnp.split(hidden @ params["latent"] + params["latent_bias"], 2, axis=1)
    return mean, log_variance


def _decode(params: Params, latent: Array) -> Array:
    hidden = jnp.tanh(latent @ params["hidden"] + params["hidden_bias"])
    return hidden @ params["output"] + params["output_bias"]
