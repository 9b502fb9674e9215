"""LightGCN aligned with text by contrast, in the manner of RLMRec's contrastive variant."""

import dataclasses
from typing import Any, ClassVar

import flax.linen as nn
import jax
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.baselines.neural.graph_training import (
    GraphInputs,
    Params,
    Triplets,
    fit_graph,
    initial_embedding,
)
from symcere_jax.baselines.neural.infonce import distinct, infonce
from symcere_jax.baselines.neural.lightgcn import RankingSettings, embed, ranking_loss
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.baselines.text_knn import first_encoder
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import setting


@dataclasses.dataclass(frozen=True)
class TextAlignedSettings(RankingSettings):
    """Settings of the text-aligned LightGCN."""

    alignment: float = setting(0.1, "weight of the contrastive loss", minimum=0)
    temperature: float = setting(0.2, "of the contrastive loss", above=0)

    SPACE: ClassVar[dict[str, tuple]] = {
        "n_layers": (2, 3),
        "batch_size": (512, 2048),
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "alignment": (0.01, 0.03, 0.1, 0.3, 1.0),
        "temperature": (0.1, 0.2, 0.5),
    }


class TextProjection(nn.Module):
    """Text features to the width of the embeddings: a hidden layer halfway between both widths.

    Attributes:
        width: of the embeddings.
    """

    width: int

    @nn.compact
    def __call__(self, features: jax.Array) -> jax.Array:
        """Projects `[b, text width]` to `[b, width]`."""
        hidden = nn.Dense((features.shape[1] + self.width) // 2)(features)
        return nn.Dense(self.width)(nn.leaky_relu(hidden))


def fit_text_aligned(dataset: ReviewDataset, settings: TextAlignedSettings, seed: int) -> Scorer:
    """Trains by BPR and InfoNCE between graph embeddings and projected text features.

    The text is that of the folder's first text encoder, of users and of items.

    Source: X. Ren et al., "Representation Learning with Large Language Models for Recommendation",
    WWW 2024. There texts are profiles that a language model wrote, and all users and items are
    candidates; here they are reviews, and candidates are those of the batch.

    Raises:
        DataError: the folder has no text features, or no validation interactions, which decide
            when to stop.
    """
    encoder = first_encoder(dataset)
    text = np.concatenate(
        [unit_rows(dataset.text_features(encoder, rows)) for rows in ("users", "items")]
    )
    return fit_graph(
        text_aligned_loss, embed, dataset, settings, seed, initial=_initial_params, text=text
    )


def _initial_params(inputs: GraphInputs, settings: TextAlignedSettings, key: jax.Array) -> Params:
    embedding_key, text_key = jax.random.split(key)
    params = initial_embedding(inputs, settings, embedding_key)
    projection = TextProjection(settings.embedding_dim).init(text_key, inputs.text)
    return params | {"projection": projection["params"]}


def text_aligned_loss(
    params: Params,
    inputs: GraphInputs,
    batch: Triplets,
    key: jax.Array,
    settings: TextAlignedSettings,
) -> jax.Array:
    """BPR and L2 of a batch, and InfoNCE of its users and items with their texts."""
    nodes = embed(params, inputs, settings)
    project = TextProjection(settings.embedding_dim)
    alignments = []
    items = inputs.n_users + batch.positives
    for rows, counts in (distinct(batch.users, inputs.n_users), distinct(items, inputs.n_items)):
        features = inputs.text[rows]  # type: ignore[index]
        text: Any = project.apply({"params": params["projection"]}, features)
        alignments.append(infonce(nodes[rows], text, counts, settings.temperature))
    ranking = ranking_loss(nodes, params, inputs, batch, settings)
    return ranking + settings.alignment * sum(alignments)
