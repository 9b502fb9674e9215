"""The baselines by name. A further one is a file with its settings and `fit`, and an entry here."""

import dataclasses
from collections.abc import Callable
from typing import Any

from symcere_jax.baselines.ease import EaseSettings, fit_ease
from symcere_jax.baselines.ials import IalsSettings, fit_ials
from symcere_jax.baselines.item_knn import ItemKnnSettings, fit_item_knn
from symcere_jax.baselines.neural.lightgcn import LightGcnSettings, fit_lightgcn
from symcere_jax.baselines.neural.simgcl import SimGclSettings, fit_simgcl
from symcere_jax.baselines.neural.text_aligned import TextAlignedSettings, fit_text_aligned
from symcere_jax.baselines.popularity import PopularitySettings, fit_popularity
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.baselines.text_knn import (
    TextKnnSettings,
    TfidfKnnSettings,
    fit_encoder_knn,
    fit_tfidf_knn,
)
from symcere_jax.data import ReviewDataset


@dataclasses.dataclass(frozen=True)
class Method:
    """A baseline.

    Attributes:
        title: what tables call it.
        settings: its class of settings, whose SPACE holds the values of each to choose from.
        fit: `fit(dataset, settings, seed)`.
        random: whether the seed matters.
    """

    title: str
    settings: Any
    fit: Callable[[ReviewDataset, Any, int], Scorer]
    random: bool = False


METHODS = {
    "popularity": Method("popularity", PopularitySettings, fit_popularity),
    "item_knn": Method("item kNN", ItemKnnSettings, fit_item_knn),
    "tfidf_knn": Method("text kNN, TF-IDF", TfidfKnnSettings, fit_tfidf_knn),
    "encoder_knn": Method("text kNN, text encoder", TextKnnSettings, fit_encoder_knn),
    "ease": Method("EASE", EaseSettings, fit_ease),
    "ials": Method("iALS", IalsSettings, fit_ials, random=True),
    "lightgcn": Method("LightGCN, BPR", LightGcnSettings, fit_lightgcn, random=True),
    "simgcl": Method("SimGCL", SimGclSettings, fit_simgcl, random=True),
    "text_aligned": Method(
        "LightGCN, text-aligned", TextAlignedSettings, fit_text_aligned, random=True
    ),
}
