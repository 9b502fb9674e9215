"""Settings of a run: frozen dataclasses, declared and validated in one place.

Every field carries its help text and its limits, so that the command line flags, the checks and
the stored configuration all come from here, under one name.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

from symcere_jax.errors import ConfigError

# A text encoder named so is the first one that the data set was prepared with, if any.
AUTO = "auto"
NONE = "none"
# What settings stood for before they existed, where that is not their default.
_BEFORE = {"item_neighbors": False}


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> Any:
    """Declares a dataclass field together with its help text and its limits.

    Args:
        default: its type is the field's type.
        help: shown by `--help`.
        choices: the values allowed.
        minimum: the smallest value allowed.
        maximum: the largest value allowed.
        above: values must be greater than this.
        below: values must be smaller than this.
    """
    limits = {"minimum": minimum, "maximum": maximum, "above": above, "below": below}
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices, **limits})


def check(section: Any) -> None:
    """Raises ConfigError for the first field of a config that is out of its limits.

    Args:
        section: a dataclass whose fields are made by `option`.
    """
    for field in dataclasses.fields(section):
        value, limits = getattr(section, field.name), field.metadata
        if type(value) is not type(field.default) and not (
            isinstance(field.default, float) and type(value) is int
        ):
            kind = type(field.default).__name__
            raise ConfigError(f"--{field.name} is {value!r}, must be of type {kind}")
        if limits["choices"] and value not in limits["choices"]:
            allowed = ", ".join(limits["choices"])
            raise ConfigError(f"--{field.name} is {value!r}, must be one of: {allowed}")
        if isinstance(value, int | float):
            if not math.isfinite(value):
                raise ConfigError(f"--{field.name} is {value}, must be finite")
            if value < limits["minimum"] or value <= limits["above"]:
                bound = max(limits["minimum"], limits["above"])
                words = "at least" if limits["minimum"] >= limits["above"] else "above"
                raise ConfigError(f"--{field.name} is {value}, must be {words} {bound}")
            if value > limits["maximum"] or value >= limits["below"]:
                bound = min(limits["maximum"], limits["below"])
                words = "at most" if limits["maximum"] <= limits["below"] else "below"
                raise ConfigError(f"--{field.name} is {value}, must be {words} {bound}")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What the model is."""

    embedding_dim: int = option(
        0, "width of the embeddings; 0: as wide as the text features, 64 without text", minimum=0
    )
    n_layers: int = option(3, "message passing steps over the user-item graph", minimum=0)
    normalize: bool = option(
        True, "L2-normalise embeddings, so that their magnitude cannot encode popularity"
    )
    graph_embeddings: bool = option(
        True, "learn a free embedding of every user and item (the graph tower)"
    )
    text_encoder: str = option(
        AUTO,
        "which text features of the prepared folder to use; auto: the first it has; none: no text",
    )
    item_text_weight: float = option(
        1.0, "weight of item text in the text tower, where learning starts", minimum=0
    )
    user_text_weight: float = option(
        0.1, "weight of the users' own reviews in the text tower, where learning starts", minimum=0
    )
    min_rating: float = option(
        0.0,
        "training interactions rated lower are no positives: they are left out of the graph and "
        "of what is learned to rank high; 0: every interaction is a positive",
        minimum=0,
    )
    text_projection: str = option(
        "linear",
        "how text features become embeddings, from the identity on: linear; residual: the identity "
        "and a learned correction; mlp: one hidden layer",
        choices=("linear", "residual", "mlp"),
    )
    popularity_prior: bool = option(
        True, "learn one scalar: how much log(1 + training interactions) adds to an item's score"
    )
    item_neighbors: bool = option(
        True,
        "after training, let an item gain by how near it is to single items of the user, not only "
        "to their mean: with the weight that is best on validation, and only if it is "
        "better there by more than chance; up to 8,192 items",
    )
    learn_temperature: bool = option(
        False, "learn the temperature, from --temperature on, rather than keep it fixed"
    )
    propagation: str = option(
        AUTO,
        "how messages are passed: bucketed, segment (plain jraph), or auto: bucketed on CPU, where "
        "it is several times as fast; elsewhere the one that is faster on this graph, by trial",
        choices=(AUTO, "bucketed", "segment"),
    )
    message_dtype: Literal["float32", "bfloat16"] = option(
        "float32",
        "what messages are kept in between layers; sums are float32 in any case. bfloat16 halves "
        "the memory that message passing reads, which pays on accelerators",
        choices=("float32", "bfloat16"),
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What is minimised."""

    ranking_loss: str = option(
        "sincere", "ranking loss: sincere (softmax) or bpr (pairwise)", choices=("sincere", "bpr")
    )
    candidates: Literal["auto", "catalog", "sampled", "in_batch"] = option(
        AUTO,
        "what a positive item competes with: catalog: every item; sampled: items drawn for each "
        "micro-batch; in_batch: the items of the micro-batch; auto: catalog up to 16,384 items, "
        "else sampled",
        choices=(AUTO, "catalog", "sampled", "in_batch"),
    )
    sampled_candidates: int = option(
        2048, "items that are drawn for each micro-batch, for --candidates=sampled", minimum=1
    )
    false_negatives: Literal["none", "same_item", "history"] = option(
        "history",
        "what is taken out of the negatives: none; same_item: other occurrences of the positive; "
        "history: all that the user interacted with in training",
        choices=("none", "same_item", "history"),
    )
    temperature: float = option(
        0.0,
        "temperature of all contrastive losses, and of the scores; 0: 0.1 beside text; without "
        "text 3 over the fourth root of the training interactions, 0.5 at most: the fewer there "
        "are, the less sharply embeddings should tell items apart",
        minimum=0,
    )
    logq_correction: bool = option(
        False,
        "for in-batch candidates, subtract the log of how often a candidate is drawn, so that "
        "frequent ones are not pushed away for their frequency",
    )
    exclude_target: Literal["auto", "none", "edge", "review"] = option(
        AUTO,
        "what is taken out of a user and an item while the interaction of the two is predicted: "
        "none; edge: the messages that it carries; review: these, and its review's share of their "
        "texts; auto: review where the texts of all interactions fit into 4 GiB, else edge",
        choices=(AUTO, NONE, "edge", "review"),
    )
    low_rated_weight: float = option(
        0.0,
        "weight of ranking what a user rated below --min_rating lower than what the user likes: "
        "hard negatives",
        minimum=0,
    )
    user_ranking_weight: float = option(
        -1.0,
        "weight of ranking users for an item, the other direction of the ranking; -1: 1 beside "
        "text, 0 without",
        minimum=-1,
    )
    cross_modal_weight: float = option(
        0.1, "weight of the symmetric SINCERE loss between graph and text embeddings", minimum=0
    )
    cross_modal_view: Literal["item", "review"] = option(
        "item",
        "which text the graph embeddings are aligned with: item: all that is written about an item "
        "(or by a user); review: each single review",
        choices=("item", "review"),
    )
    cross_modal_direction: Literal["both", "graph_to_text", "text_to_graph"] = option(
        "both",
        "anchors of the cross-modal loss: both (symmetric), or one modality alone",
        choices=("both", "graph_to_text", "text_to_graph"),
    )
    cross_modal_labels: Literal["both", "user", "item"] = option(
        "both",
        "what is aligned across modalities: users, items, or both",
        choices=("both", "user", "item"),
    )
    cross_modal_average: Literal["anchor", "pair"] = option(
        "anchor",
        "mean of the cross-modal loss: over the positives of an anchor, then over anchors; or over "
        "all positive pairs",
        choices=("anchor", "pair"),
    )
    cross_modal_batch: int = option(
        512,
        "interactions of a micro-batch, at most, that the cross-modal and intra-modal losses "
        "compare with each other, but one a device at least: their cost grows with its square",
        minimum=1,
    )
    intra_modal_weight: float = option(
        0.0,
        "weight of the symmetric SINCERE losses between users and items of one modality, graph "
        "with graph and text with text",
        minimum=0,
    )
    embedding_l2: float = option(
        0.0, "weight of the squared norm of the graph embeddings of a batch", minimum=0
    )

    def __post_init__(self) -> None:
        check(self)
        if -1 < self.user_ranking_weight < 0:
            raise ConfigError(
                f"--user_ranking_weight is {self.user_ranking_weight}, must be -1 or at least 0"
            )

    @property
    def reads_reviews(self) -> bool:
        """Whether a loss needs the text of each single review."""
        aligned = self.cross_modal_view == "review" and self.cross_modal_weight > 0
        return aligned or self.exclude_target == "review"


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How it is minimised."""

    # JAX keeps the lower 32 bits of a seed: larger ones would silently repeat smaller ones.
    seed: int = option(
        0, "decides initial weights, data order and dropout", minimum=0, maximum=2**32 - 1
    )
    epochs: int = option(50, "epochs at most", minimum=0)
    patience: int = option(
        8, "stop after that many epochs without a better validation NDCG@10", minimum=1
    )
    batch_size: int = option(
        0,
        "interactions a step, over all devices; 0: the power of two nearest to an eighth of the "
        "training interactions, from 128 to 8192, or to a 64th where that is more: message passing "
        "runs once a step, so that the time of an epoch grows in proportion to the interactions",
        minimum=0,
    )
    micro_batch_size: int = option(
        2048,
        "interactions whose losses are computed at once, at most: a larger batch is cut into equal "
        "micro-batches, which share one forward and backward pass through the model",
        minimum=1,
    )
    learning_rate: float = option(
        1e-3,
        "of the text projection, at a batch of 256; all learning rates grow with the square root "
        "of the batch size; above 256, Adam's averages reach over fewer steps in proportion",
        above=0,
    )
    embedding_learning_rate: float = option(
        0.0, "of the graph embeddings; 0: 1e-5 beside text, 1e-3 without text", minimum=0
    )
    scalar_learning_rate: float = option(
        0.0,
        "of the text weights, the popularity prior and the temperature; 0: 1e-2; beside text, with "
        "fewer than 12,000 training interactions proportionally less, but 1e-3 at least",
        minimum=0,
    )
    parameter_average: float = option(
        0.8,
        "validate and keep a moving average of the parameters, which an epoch changes by 1 minus "
        "that share; 0: the parameters themselves",
        minimum=0,
        below=1,
    )
    dropout: float = option(
        0.4, "share of the node features set to 0 before message passing", minimum=0, below=1
    )
    steps_per_call: int = option(
        500, "steps that run on the device without return to the host, at most", minimum=1
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run."""

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)

    @classmethod
    def of(cls, **settings: Any) -> "Config":
        """Builds a config from flat settings; what is not named keeps its default.

        Args:
            **settings: field name -> value, of any section.

        Raises:
            ConfigError: a name is unknown or a value out of its limits.
        """
        sections: dict[str, Any] = {}
        for section in dataclasses.fields(cls):
            kind = section.default_factory
            assert isinstance(kind, type)
            names = [field.name for field in dataclasses.fields(kind) if field.name in settings]
            sections[section.name] = kind(**{name: settings.pop(name) for name in names})
        if settings:
            raise ConfigError(f"unknown setting: {', '.join(sorted(settings))}")
        return cls(**sections)

    def flat(self) -> dict[str, Any]:
        """All settings by field name, as `Config.of` takes them."""
        return {
            name: value
            for section in dataclasses.asdict(self).values()
            for name, value in section.items()
        }

    def replace(self, **settings: Any) -> "Config":
        """A copy with some settings changed, by field name."""
        return Config.of(**{**self.flat(), **settings})

    def difference(self, other: Mapping[str, Any]) -> str:
        """Says in words where flat settings differ from these; empty if nowhere.

        Settings that a later version has added were `_BEFORE` then, or their defaults.
        """
        mine, theirs = self.flat(), Config().flat() | _BEFORE | dict(other)
        return ", ".join(
            f"--{name}={mine.get(name)} (was {theirs[name]})"
            for name in sorted(theirs)
            if mine.get(name) != theirs[name]
        )
