"""From settings and data to a model: what "auto" and 0 mean for a given prepared folder."""

import math

from symcere_jax import config as settings
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.models.symcere import DIM_WITHOUT_TEXT, SymCERE

MAX_REVIEW_TEXT_BYTES = 4 * 2**30  # of all training reviews, on each device
MAX_CATALOG = 16_384  # items that all compete for each interaction
MAX_STEPS_PER_EPOCH = 64  # each costs one message passing over all edges


def resolve(config: settings.Config, dataset: ReviewDataset) -> settings.Config:
    """Replaces settings that depend on the data by what they come to.

    Args:
        config: settings, in which `text_encoder`, `candidates` and `exclude_target` may be "auto",
            `embedding_dim`, `batch_size`, `embedding_learning_rate` and `scalar_learning_rate` 0.
        dataset: the prepared folder.

    Raises:
        ConfigError: neither text nor graph embeddings are left to learn from, or settings
            contradict each other.
        DataError: the folder was not prepared with the text encoder.
    """
    encoders = dataset.manifest.text_encoders
    encoder = config.model.text_encoder
    if encoder == settings.AUTO:
        encoder = next(iter(encoders), settings.NONE)
    if encoder != settings.NONE and encoder not in encoders:
        known = ", ".join([*encoders, settings.NONE])
        raise DataError(
            f"{dataset.folder} has no text features of encoder {encoder!r}: "
            f"choose --text_encoder from {known}, or prepare the data with it"
        )
    if encoder == settings.NONE and not config.model.graph_embeddings:
        raise ConfigError(
            "nothing to learn from: with --nograph_embeddings the data needs text features; "
            "prepare it with --text_encoder=lsa"
        )
    dim = config.model.embedding_dim
    if dim == 0:
        dim = DIM_WITHOUT_TEXT if encoder == settings.NONE else encoders[encoder]["width"]
    batch_size = config.train.batch_size
    if batch_size == 0:
        batch_size = default_batch_size(len(dataset.train))
    candidates = config.loss.candidates
    if candidates == settings.AUTO:
        candidates = "catalog" if dataset.n_items <= MAX_CATALOG else "sampled"
    embedding_learning_rate = config.train.embedding_learning_rate
    if embedding_learning_rate == 0:
        # Beside text, graph embeddings that learn fast overfit; without text they are all there is.
        embedding_learning_rate = 1e-3 if encoder == settings.NONE else 1e-5
    scalar_learning_rate = config.train.scalar_learning_rate
    if scalar_learning_rate == 0:
        # What a few scalars gain on little training data is lost on other data.
        scalar_learning_rate = min(max(1e-2 * len(dataset.train) / 12_000, 1e-3), 1e-2)
    exclude_target = config.loss.exclude_target
    if exclude_target == settings.AUTO:
        n_bytes = (
            0 if encoder == settings.NONE else len(dataset.train) * 2 * encoders[encoder]["width"]
        )
        exclude_target = "review" if 0 < n_bytes <= MAX_REVIEW_TEXT_BYTES else "edge"
    if config.loss.low_rated_weight > 0 and config.model.min_rating == 0:
        raise ConfigError(
            f"--low_rated_weight={config.loss.low_rated_weight} needs --min_rating, which says "
            "what is rated low"
        )
    return config.replace(
        text_encoder=encoder,
        candidates=candidates,
        exclude_target=exclude_target,
        embedding_dim=dim,
        batch_size=batch_size,
        embedding_learning_rate=embedding_learning_rate,
        scalar_learning_rate=scalar_learning_rate,
    )


def default_batch_size(n_interactions: int) -> int:
    """Interactions a step: an eighth of the data at first, then 8192, then a 64th.

    The last rule keeps the number of steps, and with it of message passings over all edges, from
    growing: the time of an epoch is linear in the interactions.

    Args:
        n_interactions: training interactions.
    """
    batch_size = min(max(_power_of_two(n_interactions / 8), 128), 8192)
    return max(batch_size, 2048 * round(n_interactions / MAX_STEPS_PER_EPOCH / 2048))


def _power_of_two(x: float) -> int:
    """The power of two nearest to x on a logarithmic scale, at least 1."""
    return 2 ** max(round(math.log2(x)), 0)


def build_model(config: settings.Config, n_users: int, n_items: int) -> SymCERE:
    """The model of resolved settings.

    Args:
        config: as `resolve` returns it.
        n_users: number of users.
        n_items: number of items.
    """
    return SymCERE(
        n_users=n_users,
        n_items=n_items,
        dim=config.model.embedding_dim,
        temperature=config.loss.temperature,
        dropout=config.train.dropout,
        config=config.model,
    )
