"""A trained model at work, with external ids in and out."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.config import NONE
from symcere_jax.data import Interactions, ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.evaluation.ranking import Progress, ScoreBlock, largest_block, top_k
from symcere_jax.models import Embeddings, score_block
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.models.symcere import unit_rows
from symcere_jax.serving.explanation import Explanation, ScoredItem
from symcere_jax.serving.ids import IdMap
from symcere_jax.text import FittedTextEncoder, load_text_encoder
from symcere_jax.training import Metadata, load_model
from symcere_jax.training.embeddings import embed

Ranking = list[ScoredItem]

BLOCK_SIZES = (1, 8, 64, 256)


@dataclasses.dataclass(frozen=True)
class NewUser:
    """What is known of a user who is not in the prepared folder.

    Attributes:
        items: external ids of items that the user likes.
        texts: reviews that the user wrote, or other words on what the user likes.
    """

    items: Sequence[str] = ()
    texts: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Recommender:
    """A trained model, ready to recommend; immutable, so that threads may share it.

    >>> from symcere_jax import NewUser, Recommender
    >>> recommender = Recommender.load(workdir, dataset)

    For users of the prepared folder, two each; what they interacted with is left out:

    >>> for ranking in recommender.recommend(["user-000", "user-001"], k=2):
    ...     print(len(ranking), ranking[0].score > ranking[1].score)
    2 True
    2 True

    For somebody new, of whom two items or some words are known:

    >>> [ranking] = recommender.recommend_new([NewUser(items=["item-03", "item-11"])], k=5)
    >>> "item-03" in [item_id for item_id, score in ranking]
    False
    >>> [ranking] = recommender.recommend_new([NewUser(texts=["quiet balcony, near the beach"])])
    >>> len(ranking)
    10

    Items like an item, and items that fit some words:

    >>> [ranking] = recommender.similar_items(["item-03"], k=3)
    >>> len(ranking)
    3
    >>> len(recommender.search("balcony pool beach", k=4))
    4

    A score, taken apart:

    >>> parts = recommender.explain("user-000", "item-03")
    >>> total = sum(share for _, share in parts.history) + parts.own + parts.popularity
    >>> abs(total - parts.score) < 1e-3
    True

    Attributes:
        users: external ids of the users.
        items: external ids of the items.
        embeddings: of all of them.
        fold_in: for users and items that come later.
        history: training items of each user, those that the graph has.
        seen: items of each user in any split.
        encoder: turns texts into features; None where the model or the folder has none.
        metadata: of the checkpoint.
        name: of the data set.
    """

    users: IdMap
    items: IdMap
    embeddings: Embeddings
    fold_in: FoldIn
    history: Interactions
    seen: Interactions
    encoder: FittedTextEncoder | None
    metadata: Metadata
    name: str

    @classmethod
    def load(cls, workdir: str | Path, dataset: str | Path | ReviewDataset) -> "Recommender":
        """Loads the best checkpoint of a training run.

        Args:
            workdir: of the run.
            dataset: the prepared folder that it was trained on.

        Raises:
            DataError: the folder is missing or damaged.
            CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
        """
        if not isinstance(dataset, ReviewDataset):
            dataset = ReviewDataset.load(dataset)
        trained = load_model(workdir, dataset)
        all_pairs = np.concatenate([dataset.interactions(split) for split in schema.SPLITS])
        config = trained.metadata.config.model
        positive = dataset.train[dataset.is_positive(config.min_rating)]
        return cls(
            users=IdMap("user", dataset.user_ids()),
            items=IdMap("item", dataset.item_ids()),
            embeddings=embed(trained.model)(trained.params, trained.inputs),
            fold_in=FoldIn.of(trained.model, trained.params, trained.inputs),
            history=Interactions.from_pairs(positive, dataset.n_users),
            seen=Interactions.from_pairs(all_pairs, dataset.n_users),
            encoder=_load_encoder(dataset, config.text_encoder),
            metadata=trained.metadata,
            name=dataset.name,
        )

    def recommend(
        self,
        users: Iterable[str],
        k: int = 10,
        *,
        exclude_seen: bool = True,
        filter_items: Iterable[str] | None = None,
    ) -> list[Ranking]:
        """The k best items of each user.

        Args:
            users: external ids.
            k: items for each user; a user gets fewer where no more are left.
            exclude_seen: leave out what the user interacted with, held-out interactions included.
            filter_items: external ids of the only items to choose from; None: all.

        Returns:
            A list of (item_id, score) for each user, the best first.

        Raises:
            DataError: an id is unknown.
        """
        rows = self.users.rows(users)
        allowed = None if filter_items is None else self.items.rows(filter_items)
        return self.name_rankings(
            *self.recommend_rows(rows, k, exclude_seen=exclude_seen, allowed=allowed)
        )

    def recommend_rows(
        self,
        rows: np.ndarray,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: np.ndarray | None = None,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """`recommend` by rows, for many users.

        Args:
            rows: int `[n]` user rows.
            k: number of ranks.
            exclude_seen: see `recommend`.
            allowed: int `[m]` item rows to choose from; None: all.
            progress: called with the number of users done and of all users.

        Returns:
            int32 `[n, k]` item rows, −1 for an empty rank, and float32 `[n, k]` scores.
        """
        seen = self.seen if exclude_seen else _nothing(len(self.users))
        params = (self.embeddings, self._penalty(allowed))
        return self._top_k(_score_users, params, rows, seen, k, progress)

    def recommend_new(
        self,
        users: Sequence[NewUser],
        k: int = 10,
        *,
        exclude_seen: bool = True,
        filter_items: Iterable[str] | None = None,
    ) -> list[Ranking]:
        """The k best items of users who are not in the prepared folder, without training.

        Args:
            users: what is known of each. Of whom nothing is known gets the popular items.
            k: items for each user.
            exclude_seen: leave out the items that the user is known to like.
            filter_items: external ids of the only items to choose from; None: all.

        Raises:
            DataError: an id is unknown, or there are texts but no text encoder.
        """
        items = [np.unique(self.items.rows(user.items)) for user in users]
        allowed = None if filter_items is None else self.items.rows(filter_items)
        new_users = jnp.asarray(self._embed_users(users, items))
        embeddings = dataclasses.replace(self.embeddings, users=new_users)
        seen = _lists(items) if exclude_seen else _nothing(len(users))
        params = (embeddings, self._penalty(allowed))
        return self.name_rankings(
            *self._top_k(_score_users, params, np.arange(len(users)), seen, k)
        )

    def similar_items(self, items: Iterable[str], k: int = 10) -> list[Ranking]:
        """The k items nearest to each item, by the cosine of their embeddings.

        Args:
            items: external ids.
            k: neighbours of each.

        Raises:
            DataError: an id is unknown.
        """
        rows = self.items.rows(items)
        params = (self._directions[rows], self._directions, self._penalty(None))
        itself = _lists([np.array([row]) for row in rows])
        return self.name_rankings(
            *self._top_k(_score_queries, params, np.arange(len(rows)), itself, k)
        )

    def search(
        self, text: str, k: int = 10, *, filter_items: Iterable[str] | None = None
    ) -> Ranking:
        """The k items that fit some words best, by the cosine with the text tower's output.

        Args:
            text: any words.
            k: number of items.
            filter_items: external ids of the only items to choose from; None: all.

        Returns:
            (item_id, score), the best first; none where no word is known to the text encoder.

        Raises:
            DataError: an id is unknown, or there is no text encoder.
        """
        allowed = None if filter_items is None else self.items.rows(filter_items)
        query = self.fold_in.items(self._encode([[text]]))
        if not query.any():
            return []
        params = (jnp.asarray(query), self._directions, self._penalty(allowed))
        return self.name_rankings(
            *self._top_k(_score_queries, params, np.zeros(1), _nothing(1), k)
        )[0]

    def explain(self, user: str, item: str) -> Explanation:
        """What the score of a user for an item comes from.

        Args:
            user: external id.
            item: external id.

        Raises:
            DataError: an id is unknown.
        """
        [row], [column] = self.users.rows([user]), self.items.rows([item])
        score = float(_one_score(self.embeddings, row, column))
        popularity = float(self.embeddings.item_bias[column])
        history = self.history.items[self.history.indptr[row] : self.history.indptr[row + 1]]
        shares = np.zeros(len(history))
        model, norm = self.fold_in.model, self.fold_in.user_norms[row]
        if model.config.n_layers and norm > 0:
            weights = self.fold_in.neighbour_weights([history]).data
            similar = self.fold_in.messages[history] @ np.asarray(self.embeddings.items[column])
            temperature = model.temperature_of(self.fold_in.params)
            shares = weights * similar / ((model.config.n_layers + 1) * norm * temperature)
        order = np.argsort(-shares, kind="stable")
        parts = [ScoredItem(str(self.items.ids[history[i]]), float(shares[i])) for i in order]
        own = score - popularity - float(shares.sum())
        return Explanation(user, item, score, parts, own, popularity)

    def with_items(
        self, items: Mapping[str, Sequence[str]], *, bonus: float = 0.0
    ) -> "Recommender":
        """A recommender that also knows new items, of which only texts are known.

        Args:
            items: external id -> reviews, or a description. As many interactions as it has texts
                are assumed of an item.
            bonus: added to the scores of the new items; above 0 they are shown more often, at the
                cost of what is known (docs/serving.md has a table).

        Raises:
            DataError: an id is known already, or there is no text encoder.
        """
        features = self._encode(list(items.values()))
        counts = np.array([len(texts) for texts in items.values()], np.float32)
        fold_in = self.fold_in
        added = Embeddings(
            users=self.embeddings.users[:0],
            items=jnp.asarray(fold_in.items(features)),
            item_bias=jnp.asarray(fold_in.item_bias(counts) + np.float32(bonus)),
        )
        return dataclasses.replace(
            self,
            items=self.items.extended(items),
            embeddings=jax.tree.map(
                lambda old, new: jnp.concatenate([old, new]), self.embeddings, added
            ),
            fold_in=dataclasses.replace(
                fold_in,
                messages=np.concatenate([fold_in.messages, fold_in.text_tower(items=features)]),
                item_degree=np.concatenate([fold_in.item_degree, counts]),
            ),
        )

    def _embed_users(self, users: Sequence[NewUser], items: Sequence[np.ndarray]) -> np.ndarray:
        texts = [user.texts for user in users]
        features = self._encode(texts) if any(texts) else None
        return self.fold_in.users(items, features)[0]

    def _encode(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """Features of documents, each of several texts, float32 `[n, width]`."""
        for document in texts:
            if isinstance(document, str):
                raise TypeError(f"texts must be lists of strings, as [{document!r}]")
        if self.encoder is None:
            raise DataError(
                f"the model of {self.name!r} cannot read texts: its prepared folder keeps no text "
                "encoder, or it was trained with --text_encoder=none; prepare the data again, and "
                "train with text"
            )
        return self.encoder.encode_documents(texts)

    @functools.cached_property
    def _directions(self) -> jax.Array:
        return jnp.asarray(unit_rows(np.asarray(self.embeddings.items)))

    def _penalty(self, allowed: np.ndarray | None) -> jax.Array:
        """0 for the items to choose from, −∞ for the others, float32 `[n_items]`."""
        penalty = np.full(len(self.items), 0 if allowed is None else -np.inf, np.float32)
        if allowed is not None:
            penalty[allowed] = 0
        return jnp.asarray(penalty)

    def _top_k(
        self,
        score: ScoreBlock,
        params: Any,
        rows: np.ndarray,
        seen: Interactions,
        k: int,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """`ranking.top_k` in sizes that repeat, so that few requests need a compilation."""
        if k < 1:
            raise ValueError(f"k is {k}, must be at least 1")
        n_items = len(self.items)
        n_ranks = min(max(16, _power_of_two(k)), n_items)
        block = min(largest_block(n_items), block_size(len(rows)))
        items, scores = top_k(
            score, params, rows, seen, n_items, n_ranks, block_users=block, progress=progress
        )
        return items[:, :k], scores[:, :k]

    def name_rankings(self, items: np.ndarray, scores: np.ndarray) -> list[Ranking]:
        """Rankings by external ids.

        Args:
            items: int32 `[n, k]` item rows, −1 for an empty rank.
            scores: float32 `[n, k]`.
        """
        return [
            [
                ScoredItem(str(self.items.ids[item]), float(score))
                for item, score in zip(row, row_scores, strict=True)
                if item >= 0
            ]
            for row, row_scores in zip(items, scores, strict=True)
        ]


def _load_encoder(dataset: ReviewDataset, name: str) -> FittedTextEncoder | None:
    if name == NONE or schema.text_model_file(name) not in dataset.manifest.files:
        return None  # said where texts are asked for: without them, nothing needs it
    return load_text_encoder(dataset, name)


def _score_users(params: tuple[Embeddings, jax.Array], users: jax.Array) -> jax.Array:
    embeddings, penalty = params
    return score_block(embeddings, users) + penalty


def _score_queries(params: tuple[jax.Array, jax.Array, jax.Array], rows: jax.Array) -> jax.Array:
    queries, items, penalty = params
    return queries[rows] @ items.T + penalty


@jax.jit
def _one_score(embeddings: Embeddings, user: jax.Array, item: jax.Array) -> jax.Array:
    return score_block(embeddings, user[None])[0, item]


def _lists(items: Sequence[np.ndarray]) -> Interactions:
    """Each row's items, ascending."""
    lengths = [len(row) for row in items]
    flat = np.concatenate([*items, np.zeros(0)]).astype(np.int32)
    return Interactions(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), flat)


def _nothing(n_users: int) -> Interactions:
    return Interactions(np.zeros(n_users + 1, np.int64), np.zeros(0, np.int32))


def block_size(n_users: int) -> int:
    """Users that are ranked for at once: one of few sizes, each of which is compiled once."""
    return next((size for size in BLOCK_SIZES if n_users <= size), BLOCK_SIZES[-1])


def _power_of_two(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << max(n - 1, 0).bit_length()
