"""Users as a request describes them: new ones, or known ones with what is new of them."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data import Interactions
from symcere_jax.errors import DataError
from symcere_jax.models import Embeddings, Mixture
from symcere_jax.recommend.ids import IdMap


@dataclasses.dataclass(frozen=True)
class NewUser:
    """What is known of a user beyond the prepared folder.

    Attributes:
        items: external ids of items that the user likes.
        texts: reviews that the user wrote, or other words on what the user likes.
        user_id: of a user of the prepared folder, to whose interactions the items are added; texts
            cannot be. None: somebody new.
    """

    items: Sequence[str] = ()
    texts: Sequence[str] = ()
    user_id: str | None = None


@dataclasses.dataclass(frozen=True)
class UserItems:
    """The items of described users.

    Attributes:
        rows: int64 `[n]`, of the users of the prepared folder; −1: somebody new.
        history: training items of each; none of somebody new.
        liked: these, and those of the description.
        seen: those, and the held-out ones.
    """

    rows: np.ndarray
    history: Interactions
    liked: Interactions
    seen: Interactions

    @classmethod
    def of(
        cls,
        described: Sequence[NewUser],
        users: IdMap,
        items: IdMap,
        history: Interactions,
        seen: Interactions,
    ) -> "UserItems":
        """Looks the items up.

        Args:
            described: the users.
            users: ids of the prepared folder.
            items: ids of the prepared folder.
            history: training items of the users of the prepared folder.
            seen: items of theirs in any split.

        Raises:
            DataError: an id is unknown, or there are texts of a user of the prepared folder.
        """
        rows = np.full(len(described), -1, np.int64)
        columns: list[list[np.ndarray]] = [[], [], []]
        for place, user in enumerate(described):
            fresh, own, held = np.unique(items.rows(user.items)), np.zeros(0, np.int64), None
            if user.user_id is not None:
                if user.texts:
                    raise DataError(f"user {user.user_id!r} is known: give items, not texts")
                [rows[place]] = users.rows([user.user_id])
                own, held = history.row(rows[place]), seen.row(rows[place])
            liked = np.union1d(own, fresh)
            both = liked if held is None else np.union1d(liked, held)
            for column, values in zip(columns, (own, liked, both), strict=True):
                column.append(values)
        return cls(rows, *map(Interactions.from_rows, columns))

    def embed(self, mixture: Mixture, embeddings: Embeddings, text: np.ndarray | None) -> jax.Array:
        """All columns of the users, float32 `[n, columns]`, as in `Embeddings.joined`.

        Args:
            mixture: of the model.
            embeddings: of the model.
            text: float `[n, width]` features of the texts of each; None where there are none.
        """
        own = None
        is_known = self.rows >= 0
        if is_known.any():
            rows = np.asarray(embeddings.users[self.rows]) * is_known[:, None]
            own = mixture.own_sums(rows, self.rows, self.history)
        columns = mixture.user_rows(self.liked, text, own).values()
        return jnp.asarray(np.concatenate([*columns], axis=1))
