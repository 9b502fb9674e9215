"""The settings of a model and its training, as one flat, frozen dataclass, and those of LIME.

Flags, checks and the stored settings of a run come from these fields, under the same names. Where a
value is None, `models.resolve` chooses it from the data.

Modules of settings import neither JAX nor Flax, so that `--help` is quick.
"""

import dataclasses
from typing import Literal

from symcere_jax.fields import SettingsBase, setting

KEEP = 2  # checkpoints
TRACKERS = ("mlflow", "wandb")
SECONDS_BETWEEN_CHECKPOINTS = 60.0
# No text features.
NONE = "none"
GRAPH, TEXT, ALIGNED, NEIGHBORS, TIMES = EXPERTS = (
    "graph",
    "text",
    "aligned",
    "neighbors",
    "times",
)
COUNTED = (NEIGHBORS, TIMES)  # experts that are not trained
# Settings that decide what the parameters of a model mean.
MODEL_SETTINGS = (
    "embedding_dim",
    "n_layers",
    "normalize",
    "graph_embeddings",
    "text_encoder",
    "item_text_weight",
    "user_text_weight",
    "min_rating",
    "popularity_prior",
)


@dataclasses.dataclass(frozen=True)
class Settings(SettingsBase):
    """What the model is, what is minimized, and how."""

    # The experts.
    experts: str | None = setting(
        None,
        "models whose scores are added, separated by commas: graph (the graph tower alone), text "
        "(the text tower alone), aligned (both towers, fused, and aligned by the cross-modal "
        "loss), neighbors (items whose reviews share words; in catalogs of up to 16,384 items), "
        "times (items reviewed in the same periods); default: graph, aligned, neighbors and times, "
        "as far as the data allows; graph without text",
    )
    expert_weights: Literal["validation", "equal"] = setting(
        "validation",
        "weights of the experts' scores, which are first scaled to equal spread: those that rank "
        "best in samples of the validation users (validation), or 1 (equal)",
    )

    # The model.
    embedding_dim: int | None = setting(
        None,
        "width of the embeddings; default: that of the text features, 64 without text",
        minimum=1,
    )
    n_layers: int = setting(
        3, "number of message passing steps over the user-item graph", minimum=0
    )
    normalize: bool = setting(
        True, "L2-normalize embeddings, so that their magnitude cannot encode popularity"
    )
    graph_embeddings: bool = setting(
        True, "learn a free embedding of every user and item (the graph tower)"
    )
    text_encoder: str | None = setting(
        None, "text features of the prepared folder to use; default: the first; none: no text"
    )
    item_text_weight: float = setting(
        1.0,
        "initial weight of item text in the text tower, which is learned; 0: no item text",
        minimum=0,
    )
    user_text_weight: float = setting(
        0.1,
        "initial weight of users' own reviews in the text tower, which is learned; 0: no user text",
        minimum=0,
    )
    min_rating: float = setting(
        0.0,
        "lowest rating of a positive; training interactions with a lower rating are neither edges "
        "of the graph nor positives; 0: all are positives",
        minimum=0,
    )
    popularity_prior: bool = setting(
        True, "learn one scalar: how much log(1 + training interactions) adds to an item's score"
    )
    propagation: Literal["bucketed", "segment"] = setting(
        "bucketed",
        "how messages are passed: bucketed by degree, several times as fast on CPUs; or segment, "
        "plain jraph",
    )
    message_dtype: Literal["float32", "bfloat16"] = setting(
        "float32",
        "type of messages between layers; sums are float32 in both cases. bfloat16 halves the "
        "memory traffic of message passing, which helps on accelerators",
    )

    # The losses.
    ranking_loss: Literal["sincere", "bpr"] = setting(
        "sincere", "ranking loss: sincere (softmax) or bpr (pairwise)"
    )
    candidates: Literal["catalog", "sampled", "in_batch"] | None = setting(
        None,
        "items that a positive competes with: all (catalog), items sampled for each micro-batch "
        "(sampled), or those of the micro-batch (in_batch); default: catalog up to 16,384 "
        "items, else sampled",
    )
    sampled_candidates: int = setting(
        2048, "items drawn for each micro-batch with --candidates=sampled", minimum=1
    )
    false_negatives: Literal["none", "same_item", "history"] = setting(
        "history",
        "items to exclude from the negatives: none, other occurrences of the positive "
        "(same_item), or all training items of the user (history)",
    )
    temperature: float | None = setting(
        None,
        "temperature of all contrastive losses and of the scores; default: 0.1 with text; without "
        "text, 3 over the fourth root of the number of training interactions, at most 0.5",
        above=0,
    )
    exclude_target: Literal["none", "edge", "review"] | None = setting(
        None,
        "what to remove from a user and an item while the model predicts their interaction: none, "
        "the messages along the edge (edge), or these and the review's share of their texts "
        "(review); default: review if the text features of all interactions fit into 4 GiB, "
        "else edge",
    )
    user_ranking_weight: float | None = setting(
        None,
        "weight of ranking users for an item, the other direction of the ranking loss; default: 1 "
        "with text, 0 without",
        minimum=0,
    )
    cross_modal_weight: float = setting(
        0.1, "weight of the symmetric SINCERE loss between graph and text embeddings", minimum=0
    )
    cross_modal_direction: Literal["both", "graph_to_text", "text_to_graph"] = setting(
        "both", "direction of the cross-modal loss: both (symmetric), or one alone"
    )
    cross_modal_labels: Literal["both", "user", "item"] = setting(
        "both", "what is aligned across modalities: users, items, or both"
    )
    cross_modal_batch: int = setting(
        512,
        "largest number of interactions of a micro-batch that the cross-modal and intra-modal "
        "losses compare, at least one per device; their cost grows with its square",
        minimum=1,
    )
    intra_modal_weight: float = setting(
        0.0,
        "weight of the symmetric SINCERE losses between users and items of one modality, graph "
        "with graph and text with text",
        minimum=0,
    )
    # The training. JAX keeps the lower 32 bits of a seed: larger ones would repeat smaller ones.
    seed: int = setting(
        0, "decides initial weights, data order and dropout", minimum=0, maximum=2**32 - 1
    )
    epochs: int = setting(50, "largest number of epochs", minimum=0)
    patience: int = setting(
        8, "stop after this many epochs without a better validation NDCG@10", minimum=1
    )
    batch_size: int | None = setting(
        None,
        "interactions per step, over all devices; default: the power of two nearest to an "
        "eighth of the training interactions, from 128 to 8192, or a 64th of them if that is "
        "more. Message passing runs once per step, so an epoch takes time in proportion to the "
        "data",
        minimum=1,
    )
    micro_batch_size: int = setting(
        2048,
        "largest number of interactions whose losses are computed at once: a larger batch is cut "
        "into equal micro-batches, which share one forward and backward pass through the model; "
        "the memory of losses over the batch grows with its square",
        minimum=1,
    )
    learning_rate: float = setting(
        1e-3,
        "learning rate of the text projection, at a batch of 256; all learning rates grow with "
        "the square root of the batch size; above 256, Adam averages over proportionally fewer "
        "steps",
        above=0,
    )
    embedding_learning_rate: float | None = setting(
        None,
        "learning rate of the graph embeddings; default: 1e-5 with text, 1e-3 without",
        above=0,
    )
    scalar_learning_rate: float | None = setting(
        None,
        "learning rate of the text weights and the popularity prior; default: 1e-2; with text and "
        "fewer than 12,000 training interactions, proportionally less, at least 1e-3",
        above=0,
    )
    parameter_average: float = setting(
        0.8,
        "validate and keep a moving average of the parameters; each epoch keeps this share of the "
        "earlier average; 0: no average",
        minimum=0,
        below=1,
    )
    dropout: float = setting(
        0.4, "share of the node features set to 0 before message passing", minimum=0, below=1
    )
    steps_per_call: int = setting(
        500,
        "largest number of steps that run on the device without returning to the host",
        minimum=1,
    )

    @property
    def expert_names(self) -> tuple[str, ...]:
        """The experts that are named."""
        return tuple(name.strip() for name in (self.experts or "").split(","))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResolvedSettings(Settings):
    """Settings that leave nothing to the data; made by `models.resolve`."""

    experts: str
    embedding_dim: int
    text_encoder: str
    candidates: Literal["catalog", "sampled", "in_batch"]
    temperature: float
    exclude_target: Literal["none", "edge", "review"]
    user_ranking_weight: float
    batch_size: int
    embedding_learning_rate: float
    scalar_learning_rate: float


@dataclasses.dataclass(frozen=True)
class LimeSettings(SettingsBase):
    """How LIME perturbs a text."""

    samples: int = setting(500, "perturbed texts of a review in a repeat", minimum=2)
    repeats: int = setting(3, "repeats, which show how stable LIME is", minimum=1)
    seed: int = setting(0, "seed of the perturbations and of the sample of reviews", minimum=0)
