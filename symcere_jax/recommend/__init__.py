"""Using a trained model: recommendations, similar items, search, new users and items."""

from symcere_jax.recommend.explanation import Explanation
from symcere_jax.recommend.ids import IdMap
from symcere_jax.recommend.new_users import NewUser
from symcere_jax.recommend.recommender import Recommender

__all__ = ["Explanation", "IdMap", "NewUser", "Recommender"]
