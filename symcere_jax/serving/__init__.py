"""Using a trained model: recommendations, similar items, search, new users and items."""

from symcere_jax.serving.explanation import Explanation
from symcere_jax.serving.ids import IdMap, read_ids
from symcere_jax.serving.recommender import NewUser, Recommender, ScoredItem

__all__ = ["Explanation", "IdMap", "NewUser", "Recommender", "ScoredItem", "read_ids"]
