"""Training by steps of Adam, with early stopping on the validation split."""

import abc
import dataclasses
import functools
from typing import Any, ClassVar

import jax
import numpy as np
import optax
from jax import Array

from symcere_jax.baselines.base import Baseline, Scorer
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import SymcereError
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate

STEPS_PER_ROUND = 50  # at least: then it is validated
MAX_ROUNDS = 200
PATIENCE = 10  # rounds without a gain

Params = dict[str, Any]
State = tuple[Params, optax.OptState]


@dataclasses.dataclass(frozen=True)
class StepModel(Baseline):
    """A model that is trained until validation NDCG@10 no longer grows; the best round is kept.

    What its steps read, the same at all of them, are its inputs, a pytree.
    """

    random: ClassVar[bool] = True
    batch_size: int = 1024  # interactions or users per step
    learning_rate: float = 1e-3  # of Adam

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        inputs = self.inputs(dataset)
        init_key, train_key = jax.random.split(jax.random.key(seed))
        params = self.initial_params(inputs, init_key)
        state = params, optax.adam(self.learning_rate).init(params)
        n_steps = self.steps_per_round(dataset)
        best_score, best_round, best = -1.0, 0, self.scorer(params, inputs)
        for number in range(MAX_ROUNDS):
            key = jax.random.fold_in(train_key, number)
            state, mean_loss = _run_steps(self, n_steps, state, inputs, key)
            if not np.isfinite(mean_loss):
                raise SymcereError(f"the loss is not finite in round {number + 1} of training")
            current = self.scorer(state[0], inputs)
            found = evaluate(current.score_block, current.params, dataset, "valid", ks=(10,))
            if (score := found.metrics[PRIMARY_METRIC]) > best_score:
                best_score, best_round, best = score, number, current
            elif number - best_round >= PATIENCE:
                break
        return best

    def steps_per_round(self, dataset: ReviewDataset) -> int:
        """Steps before each validation."""
        return STEPS_PER_ROUND

    @abc.abstractmethod
    def inputs(self, dataset: ReviewDataset) -> Any:
        """What the steps read."""

    @abc.abstractmethod
    def initial_params(self, inputs: Any, key: Array) -> Params:
        """Parameters before the first step."""

    @abc.abstractmethod
    def sample(self, inputs: Any, key: Array) -> Any:
        """Draws the batch of a step."""

    @abc.abstractmethod
    def loss(self, params: Params, inputs: Any, batch: Any, key: Array) -> Array:
        """What a step minimizes, a scalar; `key` is for noise."""

    @abc.abstractmethod
    def scorer(self, params: Params, inputs: Any) -> Scorer:
        """Scores by parameters."""


@functools.partial(jax.jit, static_argnames=("model", "n_steps"))
def _run_steps(
    model: StepModel, n_steps: int, state: State, inputs: Any, key: Array
) -> tuple[State, Array]:
    """The state `n_steps` later, and the mean loss."""
    adam = optax.adam(model.learning_rate)

    def step(state: State, key: Array) -> tuple[State, Array]:
        params, moments = state
        batch_key, noise_key = jax.random.split(key)
        batch = model.sample(inputs, batch_key)
        value, gradients = jax.value_and_grad(model.loss)(params, inputs, batch, noise_key)
        updates, moments = adam.update(gradients, moments)
        return (optax.apply_updates(params, updates), moments), value

    state, losses = jax.lax.scan(step, state, jax.random.split(key, n_steps))
    return state, losses.mean()
