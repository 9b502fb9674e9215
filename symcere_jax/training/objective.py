"""The objective: a weighted sum of the losses of a batch."""

import dataclasses
from typing import cast

import jax
import jax.numpy as jnp

from symcere_jax import losses
from symcere_jax.config import LossConfig
from symcere_jax.models import NodeEmbeddings, SymCERE
from symcere_jax.training.batch_losses import BatchLosses
from symcere_jax.training.devices import AXIS
from symcere_jax.training.inputs import TrainInputs

Loss = tuple[jax.Array, dict[str, jax.Array]]

_COLUMNS = ("user", "item")  # of the interactions


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weighted sum of the losses of a batch; a term of weight 0 is not computed.

    Attributes:
        model: gives the embeddings.
        config: which losses, and how.
        block_size: candidates whose logits are held at once.
    """

    model: SymCERE
    config: LossConfig
    block_size: int = 4096  # fits the cache beside a batch; measured on CPU

    def __call__(
        self, params: dict, inputs: TrainInputs, rows: jax.Array, key: jax.Array, n_devices: int
    ) -> Loss:
        """This device's share of the loss of a batch; inside `pmap` only.

        Summed over devices, shares and their gradients are those of the whole batch: it does not
        matter how many devices there are.

        Args:
            params: of the model.
            inputs: graph, features and interactions.
            rows: int32 `[batch]`, interactions of all devices.
            key: for dropout and sampled negatives, the same on every device.
            n_devices: devices along the axis.

        Returns:
            Share of the total, and of each term by name.
        """
        config, model = self.config, self.model
        by_tower = model.has_both_towers and (
            config.cross_modal_weight > 0 or config.intra_modal_weight > 0
        )
        dropout_key, negative_key = jax.random.split(key)
        nodes = cast(
            NodeEmbeddings,
            model.apply(
                {"params": params},
                inputs.model,
                train=True,
                by_tower=by_tower,
                devices=(AXIS, n_devices),
                rngs={"dropout": dropout_key},
            ),
        )
        batch_losses = BatchLosses(
            model, config, self.block_size, params, inputs, nodes, rows, n_devices
        )
        terms = self._terms(batch_losses, negative_key)
        shares = {
            name: total / jnp.maximum(jax.lax.psum(count, AXIS), 1.0)
            for name, (_, (total, count)) in terms.items()
        }
        loss = sum(weight * shares[name] for name, (weight, _) in terms.items())
        return jnp.asarray(loss), shares | {"loss": jnp.asarray(loss)}

    def _terms(
        self, batch_losses: BatchLosses, key: jax.Array
    ) -> dict[str, tuple[float, losses.Terms]]:
        """Weight and value of each term that is switched on."""
        config, model = self.config, self.model
        terms = {"ranking": (1.0, batch_losses.item_ranking(key))}
        if config.low_rated_weight > 0:
            key = jax.random.fold_in(key, 1)
            terms["low_rated"] = (config.low_rated_weight, batch_losses.low_rated(key))
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
            for name, nodes in batch_losses.modalities().items():
                agreement = batch_losses.intra_modal(nodes)
                terms[f"intra_modal_{name}"] = (config.intra_modal_weight, agreement)
        if config.embedding_l2 > 0 and model.config.graph_embeddings:
            terms["embedding_l2"] = (config.embedding_l2, batch_losses.embedding_l2())
        return terms
