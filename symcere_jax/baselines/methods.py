"""The baselines by name. A further one is a file with its settings and `fit`, and an entry here."""

import dataclasses
from collections.abc import Callable
from typing import Any

from symcere_jax.baselines.ials import IalsSettings, fit_ials
from symcere_jax.baselines.item_knn import ItemKnnSettings, fit_item_knn
from symcere_jax.baselines.linear.ease import EaseSettings, fit_ease
from symcere_jax.baselines.linear.gf_cf import GfCfSettings, fit_gf_cf
from symcere_jax.baselines.linear.pure_svd import PureSvdSettings, fit_pure_svd
from symcere_jax.baselines.linear.slim import SlimSettings, fit_slim
from symcere_jax.baselines.linear.text_ease import TextEaseSettings, fit_text_ease
from symcere_jax.baselines.neural.alpha_rec import AlphaRecSettings, fit_alpha_rec
from symcere_jax.baselines.neural.lightgcn import LightGcnSettings, fit_lightgcn
from symcere_jax.baselines.neural.mult_vae import MultVaeSettings, fit_mult_vae
from symcere_jax.baselines.neural.simgcl import SimGclSettings, fit_simgcl
from symcere_jax.baselines.neural.text_aligned import TextAlignedSettings, fit_text_aligned
from symcere_jax.baselines.popularity import PopularitySettings, fit_popularity
from symcere_jax.baselines.rp3beta import Rp3BetaSettings, fit_rp3beta
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.baselines.text_knn import (
    TextKnnSettings,
    TfidfKnnSettings,
    fit_encoder_knn,
    fit_tfidf_knn,
)
from symcere_jax.baselines.user_knn import UserKnnSettings, fit_user_knn
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
    "user_knn": Method("user kNN", UserKnnSettings, fit_user_knn),
    "rp3beta": Method("RP3beta", Rp3BetaSettings, fit_rp3beta),
    "ease": Method("EASE", EaseSettings, fit_ease),
    "text_ease": Method("EASE, text prior", TextEaseSettings, fit_text_ease),
    "slim": Method("SLIM", SlimSettings, fit_slim),
    "pure_svd": Method("PureSVD", PureSvdSettings, fit_pure_svd),
    "gf_cf": Method("GF-CF", GfCfSettings, fit_gf_cf),
    "ials": Method("iALS", IalsSettings, fit_ials, random=True),
    "mult_vae": Method("MultVAE", MultVaeSettings, fit_mult_vae, random=True),
    "lightgcn": Method("LightGCN, BPR", LightGcnSettings, fit_lightgcn, random=True),
    "simgcl": Method("SimGCL", SimGclSettings, fit_simgcl, random=True),
    "text_aligned": Method(
        "LightGCN, text-aligned", TextAlignedSettings, fit_text_aligned, random=True
    ),
    "alpha_rec": Method("AlphaRec", AlphaRecSettings, fit_alpha_rec, random=True),
}
