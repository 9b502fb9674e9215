"""The objective: a weighted sum of the losses of a batch, and its gradients."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from symcere_jax.models import Columns, SymCERE
from symcere_jax.training.devices import sum_gradients, sum_over_devices
from symcere_jax.training.objective.batch import Batch
from symcere_jax.training.objective.embeddings import StepEmbeddings
from symcere_jax.training.objective.loss_terms import Parts, Term, build_terms
from symcere_jax.training.objective.microbatch import MicroBatch
from symcere_jax.training.train_inputs import TrainInputs

Losses = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weighted sum of the losses of a batch.

    One forward and one backward pass through the model serve all micro-batches of a batch. So a
    step costs O(edges + batch × candidates) time, and its logits O(micro-batch × block) memory.
    """

    model: SymCERE  # gives the embeddings; its settings say which losses there are

    @functools.cached_property
    def terms(self) -> dict[str, tuple[float, Term]]:
        """Weight and term by name."""
        return build_terms(self.model)

    def gradients(
        self,
        params: dict,
        inputs: TrainInputs,
        rows: jax.Array,
        key: jax.Array,
        n_devices: int,
        n_micro_batches: int = 1,
    ) -> tuple[dict, Losses]:
        """The gradients of a batch's loss, the mean of its micro-batches'; inside `map_devices`.

        The result does not depend on the number of devices, except for rounding.

        Args:
            params: of the model as this device holds them (see `devices.distribute`).
            inputs: graph, features and interactions.
            rows: int32 `[batch]`, interactions of all devices.
            key: for dropout, sampled negatives and candidates, the same on every device.
            n_devices: devices along the axis.
            n_micro_batches: equal parts of the batch whose losses are taken one after another.

        Returns:
            Gradients of the total, like `params`, and each term by name.
        """
        settings = self.model.settings
        model = self.model.clone(columns=Columns(settings.embedding_dim, n_devices))
        dropout_key, draw_key = jax.random.split(key)
        size = rows.shape[0] // n_micro_batches
        n_compared = max(min(settings.cross_modal_batch, size) // n_devices, 1) * n_devices
        batch = Batch.draw(inputs, rows, draw_key, n_compared, n_micro_batches)
        drawn = {
            name: term.draw(inputs, batch, draw_key, n_micro_batches)
            for name, (_, term) in self.terms.items()
        }

        def embed(params: dict) -> tuple[Any, Any]:
            """What the losses read: a part for each micro-batch, and what they share."""
            step = StepEmbeddings.embed(model, params, inputs, dropout_key)
            gathered = {
                name: term.gather(step, batch, drawn[name])
                for name, (_, term) in self.terms.items()
            }
            return (step.pairs(batch), _rows(gathered)), _shared(gathered)

        def loss(row_values: Any, shared: Any, batch: Batch, drawn_rows: Any) -> tuple:
            pairs, gathered_rows = row_values
            micro = MicroBatch(settings, inputs, n_devices, batch, pairs)
            terms = {
                name: term.loss(
                    micro,
                    Parts(drawn_rows[name], drawn[name].shared),
                    Parts(gathered_rows[name], shared[name]),
                )
                for name, (_, term) in self.terms.items()
            }
            return self._total(terms)

        gradients_of = jax.grad(loss, argnums=(0, 1), has_aux=True)
        (row_values, shared), pull_back = jax.vjp(embed, params)
        drawn_rows = _rows(drawn)
        if n_micro_batches == 1:
            gradients, terms = gradients_of(row_values, shared, batch, drawn_rows)
        else:
            split = functools.partial(_split, n=n_micro_batches)

            def micro_step(shared_gradient: Any, part: tuple) -> tuple[Any, tuple]:
                (gradient, more), terms = gradients_of(part[0], shared, *part[1:])
                return jax.tree.map(jnp.add, shared_gradient, more), (gradient, terms)

            shared_gradient, (row_gradients, terms) = jax.lax.scan(
                micro_step,
                jax.tree.map(jnp.zeros_like, shared),
                (split(row_values), split(batch), split(drawn_rows)),
            )
            joined = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), row_gradients)
            gradients = jax.tree.map(lambda x: x / n_micro_batches, (joined, shared_gradient))
            terms = {name: values.mean() for name, values in terms.items()}
        return sum_gradients(pull_back(gradients)[0]), sum_over_devices(terms)

    def _total(self, terms: dict[str, tuple[jax.Array, jax.Array]]) -> tuple[jax.Array, Losses]:
        """This device's share of the loss of a micro-batch, and of each term by name."""
        shares = {
            name: total / jnp.maximum(sum_over_devices(count), 1.0)
            for name, (total, count) in terms.items()
        }
        total = jnp.asarray(sum(weight * shares[name] for name, (weight, _) in self.terms.items()))
        return total, shares | {"loss": total}


def _rows(parts: dict[str, Parts]) -> dict[str, Any]:
    return {name: part.rows for name, part in parts.items()}


def _shared(parts: dict[str, Parts]) -> dict[str, Any]:
    return {name: part.shared for name, part in parts.items()}


def _split(tree: Any, n: int) -> Any:
    """Cuts each leaf into n equal parts along its first axis."""
    return jax.tree.map(lambda leaf: leaf.reshape(n, -1, *leaf.shape[1:]), tree)
