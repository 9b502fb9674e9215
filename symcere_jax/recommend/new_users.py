"""Users as a request describes them: new ones, or known ones with new interactions."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data import Interactions
from symcere_jax.errors import DataError

if TYPE_CHECKING:
    from symcere_jax.recommend.recommender import Recommender


@dataclasses.dataclass(frozen=True)
class NewUser:
    """What is known about a user beyond the prepared folder.

    Attributes:
        items: external ids of items that the user likes.
        texts: reviews by the user, or other words about what the user likes.
        user_id: of a user of the prepared folder, to whose interactions the items are added;
            such a user has no `texts`. None: a new user.
    """

    items: Sequence[str] = ()
    texts: Sequence[str] = ()
    user_id: str | None = None


def embed_users(
    described: Sequence[NewUser], model: "Recommender"
) -> tuple[jax.Array, Interactions]:
    """Embeds users as `Embeddings.joined` has them; also the items of each that are no news.

    Raises:
        DataError: an id is unknown, or there are texts of a user of the prepared folder.
    """
    rows = np.full(len(described), -1, np.int64)  # somebody new has none
    history, liked, seen = [], [], []
    for place, user in enumerate(described):
        own = known = np.zeros(0, np.int64)
        if user.user_id is not None:
            if user.texts:
                raise DataError(f"user {user.user_id!r} is known: give items, not texts")
            [rows[place]] = model.users.rows([user.user_id])
            own, known = model.history.row(rows[place]), model.seen.row(rows[place])
        history.append(own)
        liked.append(np.union1d(own, model.items.rows(user.items)))
        seen.append(np.union1d(known, liked[-1]))
    texts = [user.texts for user in described]
    features = model.texts.documents(texts) if any(texts) else None
    is_known, sums = rows >= 0, None
    if is_known.any():
        embedded = np.asarray(model.embeddings.users[rows], np.float32) * is_known[:, None]
        sums = model.mixture.own_sums(embedded, rows, Interactions.from_rows(history))
    columns = model.mixture.user_rows(Interactions.from_rows(liked), features, sums).values()
    return jnp.asarray(np.concatenate([*columns], axis=1)), Interactions.from_rows(seen)
