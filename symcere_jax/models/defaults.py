"""Settings that follow from the data if the user leaves them out."""

import math
from typing import Any

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.models.word_neighbors import MAX_ITEMS
from symcere_jax.settings import (
    ALIGNED,
    COUNTED,
    EXPERTS,
    GRAPH,
    NEIGHBORS,
    NONE,
    TEXT,
    TIMES,
    ResolvedSettings,
    Settings,
)

DIM_WITHOUT_TEXT = 64
MAX_REVIEW_TEXT_BYTES = 4 * 2**30  # of all training reviews, on each device
MAX_CATALOG = 16_384  # items that all compete for each interaction
MAX_STEPS_PER_EPOCH = 64  # each costs one message passing over all edges


def resolve(settings: Settings, dataset: ReviewDataset) -> ResolvedSettings:
    """Replaces each setting that is None by a value that suits the data.

    For a single expert, the settings are its own: the graph expert has no text, the text expert no
    graph embeddings.

    Args:
        settings: as the user gave them.
        dataset: the prepared folder.

    Raises:
        ConfigError: nothing is left to learn from, or settings contradict each other.
        DataError: the folder was not prepared with the text encoder.
    """
    encoder = _text_encoder(settings, dataset)
    names = _experts(settings, dataset)
    if names == (GRAPH,):
        encoder = NONE
    has_text = encoder != NONE
    width = dataset.manifest.text_encoders[encoder]["width"] if has_text else 0
    n_train = len(dataset.train)
    chosen = {
        "embedding_dim": width or DIM_WITHOUT_TEXT,
        "candidates": "catalog" if dataset.n_items <= MAX_CATALOG else "sampled",
        "temperature": default_temperature(n_train, has_text=has_text),
        "exclude_target": "review" if 0 < n_train * 2 * width <= MAX_REVIEW_TEXT_BYTES else "edge",
        # Without text it gains nothing, and takes half of a step's time.
        "user_ranking_weight": 1.0 if has_text else 0.0,
        "batch_size": default_batch_size(n_train),
        # Beside text, graph embeddings that learn fast overfit; without text they are all there is.
        "embedding_learning_rate": 1e-5 if has_text else 1e-3,
        # What text weights gain on little training data is lost on other data.
        "scalar_learning_rate": min(max(1e-2 * n_train / 12_000, 1e-3), 1e-2) if has_text else 1e-2,
    }
    given = {name: value for name, value in settings.as_dict().items() if value is not None}
    decided: dict[str, Any] = {"experts": ",".join(names), "text_encoder": encoder}
    if names == (TEXT,):
        decided["graph_embeddings"] = False
    return ResolvedSettings.from_dict(chosen | given | decided)


def _experts(settings: Settings, dataset: ReviewDataset) -> tuple[str, ...]:
    """The experts of a run, in the order of `EXPERTS`."""
    impossible = impossible_experts(settings, dataset)
    if settings.experts is None:
        # The aligned expert knows what the text expert does; without text, one graph is enough.
        left_out = {TEXT} if ALIGNED not in impossible else {TIMES}
        return tuple(name for name in EXPERTS if name not in impossible.keys() | left_out)
    names = settings.expert_names
    for name in names:
        if name not in EXPERTS:
            raise ConfigError(
                f"--experts={settings.experts}: {name!r} is none of {', '.join(EXPERTS)}"
            )
        if name in impossible:
            raise ConfigError(f"--experts={settings.experts}: {name} {impossible[name]}")
    if set(names) <= set(COUNTED):
        raise ConfigError(f"--experts={settings.experts}: add one that is trained")
    return tuple(name for name in EXPERTS if name in names)


def impossible_experts(settings: Settings, dataset: ReviewDataset) -> dict[str, str]:
    """The experts that these settings and this data cannot have, and why.

    Raises:
        ConfigError: nothing is left to learn from.
        DataError: the folder was not prepared with the text encoder.
    """
    impossible: dict[str, str] = {}
    if not settings.graph_embeddings:
        impossible |= dict.fromkeys((GRAPH, ALIGNED), "is not possible with --nograph_embeddings")
    if _text_encoder(settings, dataset) == NONE:
        impossible |= dict.fromkeys((TEXT, ALIGNED, NEIGHBORS), "needs text features")
    elif dataset.n_items > MAX_ITEMS:
        limit = f"is for catalogs of up to {MAX_ITEMS:,} items, this one has {dataset.n_items:,}"
        impossible[NEIGHBORS] = limit
    if not dataset.has_times():
        impossible[TIMES] = "needs reviews of different times"
    return impossible


def _text_encoder(settings: Settings, dataset: ReviewDataset) -> str:
    """The name of the text features to use, or "none"."""
    encoders = dataset.manifest.text_encoders
    encoder = settings.text_encoder
    if encoder is None:
        encoder = next(iter(encoders), NONE)
    if encoder != NONE and encoder not in encoders:
        known = ", ".join([*encoders, NONE])
        raise DataError(
            f"{dataset.folder} has no text features of encoder {encoder!r}: "
            f"choose --text_encoder from {known}, or prepare the data with it"
        )
    if encoder == NONE and not settings.graph_embeddings:
        raise ConfigError(
            "nothing to learn from: with --nograph_embeddings the data needs text features; "
            "prepare it with --text_encoder=lsa"
        )
    return encoder


def default_batch_size(n_interactions: int) -> int:
    """Interactions a step: an eighth of the data at first, then 8192, then a 64th.

    The last rule bounds the number of steps, each of which passes messages over all edges: the time
    of an epoch is linear in the interactions.
    """
    power_of_two = 2 ** max(round(math.log2(n_interactions / 8)), 0)
    batch_size = min(max(power_of_two, 128), 8192)
    return max(batch_size, 2048 * round(n_interactions / MAX_STEPS_PER_EPOCH / 2048))


def default_temperature(n_interactions: int, *, has_text: bool) -> float:
    """The temperature that was best on validation, over data of 1,500 to 730,000 interactions.

    Text features tell items apart from the start. Embeddings that must be learned first overfit few
    interactions, more so at a low temperature.
    """
    if has_text:
        return 0.1
    return min(3 / max(n_interactions, 1) ** 0.25, 0.5)
