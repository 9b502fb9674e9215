"""The objective: a weighted sum of the losses of a batch, and its gradients."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from symcere_jax import losses
from symcere_jax.models import NODE_PARAMS, SymCERE
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.batch import Batch, ItemCycle
from symcere_jax.training.batch_embeddings import BatchEmbedder
from symcere_jax.training.batch_losses import BatchLosses
from symcere_jax.training.devices import AXIS
from symcere_jax.training.inputs import TrainInputs

_COLUMNS = ("user", "item")  # of the interactions


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weighted sum of the losses of a batch; a term of weight 0 is not computed.

    One forward and one backward pass through the model serve all micro-batches of a batch. So a
    step costs O(edges + batch × candidates) time, and its logits O(micro-batch × block) memory.

    Attributes:
        model: gives the embeddings.
        config: which losses, and how.
        block_size: candidates whose logits are held at once.
    """

    model: SymCERE
    config: ResolvedSettings
    block_size: int = 4096  # fits the cache beside a batch; measured on CPU

    def gradients(
        self,
        params: dict,
        inputs: TrainInputs,
        rows: jax.Array,
        key: jax.Array,
        n_devices: int,
        n_micro_batches: int = 1,
    ) -> tuple[dict, dict[str, jax.Array]]:
        """The gradients of a batch's loss; inside `pmap` only.

        It does not matter how many devices there are, to rounding. The loss of a batch is the mean
        of those of its micro-batches.

        Args:
            params: of the model as this device holds them (see `SymCERE.shared`).
            inputs: graph, features and interactions.
            rows: int32 `[batch]`, interactions of all devices.
            key: for dropout, sampled negatives and candidates, the same on every device.
            n_devices: devices along the axis.
            n_micro_batches: equal parts of the batch whose losses are taken one after another.

        Returns:
            Gradients of the total, like `params`, and each term by name.
        """
        config = self.config
        model = self.model.shared(AXIS, n_devices)
        dropout_key, draw_key = jax.random.split(key)
        cycle = ItemCycle.draw(config, self.model.n_items, draw_key)
        batch = Batch.draw(config, inputs, rows, draw_key, cycle, n_micro_batches)
        micro_batch = rows.shape[0] // n_micro_batches
        n_compared = max(min(config.cross_modal_batch, micro_batch) // n_devices, 1) * n_devices
        starts = jnp.arange(n_micro_batches)[:, None] * micro_batch
        compared = (starts + jnp.arange(n_compared)).reshape(-1)
        embedder = BatchEmbedder(model, config, inputs)
        (of_rows, of_modalities, shared), pull_back = jax.vjp(
            lambda params: embedder(params, rows, batch, compared, dropout_key), params
        )

        def loss(embeddings: tuple, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
            return self._loss(
                BatchLosses(config, inputs, n_devices, self.block_size, batch, cycle, *embeddings)
            )

        def split(tree: Any) -> Any:
            return jax.tree.map(
                lambda leaf: leaf.reshape(n_micro_batches, -1, *leaf.shape[1:]), tree
            )

        def micro_step(of_shared: Any, part: tuple) -> tuple[Any, tuple]:
            batch, of_rows, of_modalities = part
            gradients, terms = jax.grad(loss, has_aux=True)((of_rows, of_modalities, shared), batch)
            of_shared = jax.tree.map(jnp.add, of_shared, gradients[2])
            return of_shared, (gradients[:2], terms)

        if n_micro_batches == 1:
            gradients, terms = jax.grad(loss, has_aux=True)((of_rows, of_modalities, shared), batch)
            return _summed(pull_back(gradients)[0]), jax.lax.psum(terms, AXIS)
        of_shared, ((of_rows, of_modalities), terms) = jax.lax.scan(
            micro_step,
            jax.tree.map(jnp.zeros_like, shared),
            (split(batch), split(of_rows), split(of_modalities)),
        )
        joined = jax.tree.map(
            lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (of_rows, of_modalities)
        )
        gradients = jax.tree.map(lambda leaf: leaf / n_micro_batches, (*joined, of_shared))
        terms = {name: values.mean() for name, values in terms.items()}
        return _summed(pull_back(gradients)[0]), jax.lax.psum(terms, AXIS)

    def _loss(self, batch_losses: BatchLosses) -> tuple[jax.Array, dict[str, jax.Array]]:
        """This device's share of the loss of a micro-batch, and of each term by name."""
        terms = self._terms(batch_losses)
        shares = {
            name: total / jnp.maximum(jax.lax.psum(count, AXIS), 1.0)
            for name, (_, (total, count)) in terms.items()
        }
        loss = sum(weight * shares[name] for name, (weight, _) in terms.items())
        return jnp.asarray(loss), shares | {"loss": jnp.asarray(loss)}

    def _terms(self, batch_losses: BatchLosses) -> dict[str, tuple[float, losses.Terms]]:
        """Weight and value of each term that is switched on."""
        config, model = self.config, self.model
        terms = {"ranking": (1.0, batch_losses.item_ranking())}
        if config.low_rated_weight > 0:
            terms["low_rated"] = (config.low_rated_weight, batch_losses.low_rated())
        if config.user_ranking_weight > 0:
            terms["user_ranking"] = (config.user_ranking_weight, batch_losses.user_ranking())
        if model.has_both_towers and config.cross_modal_weight > 0:
            both = config.cross_modal_labels == "both"
            labels = _COLUMNS if both else (config.cross_modal_labels,)
            weight = config.cross_modal_weight / len(labels)
            for label in labels:
                alignment = batch_losses.cross_modal(_COLUMNS.index(label))
                terms[f"cross_modal_{label}"] = (weight, alignment)
        if config.intra_modal_weight > 0:
            for name, ends in batch_losses.modalities().items():
                agreement = batch_losses.intra_modal(ends)
                terms[f"intra_modal_{name}"] = (config.intra_modal_weight, agreement)
        if config.embedding_l2 > 0 and model.config.graph_embeddings:
            terms["embedding_l2"] = (config.embedding_l2, batch_losses.embedding_l2())
        return terms


def _summed(gradients: dict) -> dict:
    """Sums of the devices' shares of gradients; of the columns that a device holds, it has all."""
    shared = {name: tree for name, tree in gradients.items() if name != NODE_PARAMS}
    return gradients | jax.lax.psum(shared, AXIS)
