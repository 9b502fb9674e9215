"""The baselines by name: each is a class with its settings and `fit`, and an entry here."""

from symcere_jax.baselines.base import Baseline, Popularity
from symcere_jax.baselines.graph_models import AlphaRec, LightGcn, SimGcl, TextAligned
from symcere_jax.baselines.matrix_models import Ease, GfCf, Ials, PureSvd, Slim, TextEase
from symcere_jax.baselines.mult_vae import MultVae
from symcere_jax.baselines.neighbors import ItemKnn, Rp3Beta, UserKnn
from symcere_jax.baselines.text_knn import EncoderKnn, TfidfKnn

METHODS: dict[str, type[Baseline]] = {
    "popularity": Popularity,
    "item_knn": ItemKnn,
    "tfidf_knn": TfidfKnn,
    "encoder_knn": EncoderKnn,
    "user_knn": UserKnn,
    "rp3beta": Rp3Beta,
    "ease": Ease,
    "text_ease": TextEase,
    "slim": Slim,
    "pure_svd": PureSvd,
    "gf_cf": GfCf,
    "ials": Ials,
    "mult_vae": MultVae,
    "lightgcn": LightGcn,
    "simgcl": SimGcl,
    "text_aligned": TextAligned,
    "alpha_rec": AlphaRec,
}
