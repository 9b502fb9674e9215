"""A trained model at work, with external ids in and out."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import CountCallback
from symcere_jax.data import Interactions, ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.models import Embeddings
from symcere_jax.models.decomposition import decompose_score
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.recommend.explanation import Explanation, ScoredItem
from symcere_jax.recommend.ids import IdMap
from symcere_jax.recommend.nearest import ItemIndex
from symcere_jax.recommend.retrieval import EXACT, Retrieval, build_index, item_lists, no_items
from symcere_jax.settings import NONE
from symcere_jax.text import FittedTextEncoder, load_text_encoder
from symcere_jax.training import Metadata, load_model

Ranking = list[ScoredItem]


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
        encoder: turns texts into features; None where the model has no text, or where the folder
            keeps no encoder that can read further ones.
        metadata: of the checkpoint.
        name: of the data set.
        index: of the items, for approximate search; None: search is exact.
        titles: of the items, `[n_items]` by row, None where unknown; None where none is known.
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
    index: ItemIndex | None = None
    titles: np.ndarray | None = None

    @classmethod
    def load(
        cls, workdir: str | Path, dataset: str | Path | ReviewDataset, *, index: str = EXACT
    ) -> "Recommender":
        """Loads the best checkpoint of a training run.

        Args:
            workdir: of the run.
            dataset: the prepared folder that it was trained on.
            index: "exact", or "hnsw" for approximate search, whose index is built now: for
                catalogues that are too large to score whole.

        Raises:
            ConfigError: the index is of an unknown kind, or the extra `ann` is not installed.
            DataError: the folder is missing or damaged.
            CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
        """
        if not isinstance(dataset, ReviewDataset):
            dataset = ReviewDataset.load(dataset)
        trained = load_model(workdir, dataset)
        all_pairs = np.concatenate([dataset.interactions(split) for split in schema.SPLITS])
        config = trained.metadata.config
        embeddings = trained.embeddings()
        return cls(
            users=IdMap("user", dataset.user_ids()),
            items=IdMap("item", dataset.item_ids()),
            embeddings=embeddings,
            fold_in=FoldIn.of(trained.model, trained.params, trained.inputs, trained.neighbors),
            history=trained.items,
            seen=Interactions.from_pairs(all_pairs, dataset.n_users),
            encoder=_load_encoder(dataset, config.text_encoder),
            metadata=trained.metadata,
            name=dataset.name,
            index=build_index(embeddings, index),
            titles=dataset.item_titles(),
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
        progress: CountCallback | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """`recommend` by rows, for many users.

        Args:
            rows: int `[n]` user rows.
            k: number of ranks.
            exclude_seen: see `recommend`.
            allowed: int `[m]` item rows to choose from; None: all.
            progress: called with the number of users done and of all users.

        Returns:
            int32 `[n, min(k, n_items)]` item rows, −1 for an empty rank, and float32 scores of that
            shape, −∞ for an empty rank.
        """
        seen = self.seen if exclude_seen else no_items(len(self.users))
        return self.retrieval.recommend(
            self.retrieval.scored.users, rows, seen, k, allowed=allowed, progress=progress
        )

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
        embedded = jnp.asarray(self._embed_users(users, items))
        seen = item_lists(items) if exclude_seen else no_items(len(users))
        rows = np.arange(len(users))
        return self.name_rankings(
            *self.retrieval.recommend(embedded, rows, seen, k, allowed=allowed)
        )

    def similar_items(
        self, items: Iterable[str], k: int = 10, *, filter_items: Iterable[str] | None = None
    ) -> list[Ranking]:
        """The k items nearest to each item, by the cosine of their embeddings.

        Args:
            items: external ids.
            k: neighbours of each.
            filter_items: external ids of the only items to choose from; None: all.

        Raises:
            DataError: an id is unknown.
        """
        rows = self.items.rows(items)
        allowed = None if filter_items is None else self.items.rows(filter_items)
        itself = item_lists([np.array([row]) for row in rows])
        queries = self.retrieval.directions[rows]
        return self.name_rankings(*self.retrieval.nearest(queries, itself, k, allowed=allowed))

    def search(
        self, text: str, k: int = 10, *, filter_items: Iterable[str] | None = None
    ) -> Ranking:
        """The k items that fit some words best, by the cosine with the text tower's output.

        Args:
            text: any words.
            k: number of items.
            filter_items: external ids of the only items to choose from; None: all.

        Returns:
            (item_id, score), the best first. `unknown_words` says what did not count.

        Raises:
            DataError: an id is unknown, there is no text encoder, or it knows no word of the text.
        """
        allowed = None if filter_items is None else self.items.rows(filter_items)
        query = unit_rows(self.fold_in.items(self._encode([[text]])))
        if not query.any():
            raise DataError(_nothing_known(text, self.unknown_words(text)))
        found = self.retrieval.nearest(query, no_items(1), k, allowed=allowed)
        return self.name_rankings(*found)[0]

    def unknown_words(self, text: str) -> list[str]:
        """Words that do not count in a search or in what a new user says.

        Args:
            text: any words.

        Returns:
            Distinct words that the text encoder does not know, common ones as "the" left out.

        Raises:
            DataError: there is no text encoder.
        """
        return self._text_encoder.unknown_words(text)

    def explain(self, user: str, item: str) -> Explanation:
        """What the score of a user for an item comes from.

        Args:
            user: external id.
            item: external id.

        Raises:
            DataError: an id is unknown.
        """
        [row], [column] = self.users.rows([user]), self.items.rows([item])
        history = self.history.items[self.history.indptr[row] : self.history.indptr[row + 1]]
        parts = decompose_score(self.embeddings, self.fold_in, history, int(row), int(column))
        shares = parts.history
        order = np.argsort(-shares, kind="stable")
        named = [ScoredItem(str(self.items.ids[history[i]]), float(shares[i])) for i in order]
        return Explanation(user, item, parts.score, named, parts.own, parts.popularity)

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
        fold_in = self.fold_in.with_items(features, counts)
        added = {
            "items": fold_in.items(features),
            "item_bias": fold_in.item_bias(counts) + np.float32(bonus),
        }
        if fold_in.neighbors is not None:
            added["item_neighbors"] = fold_in.neighbors.of_items[len(self.items) :]
        embeddings = dataclasses.replace(
            self.embeddings,
            **{
                name: jnp.concatenate([getattr(self.embeddings, name), rows])
                for name, rows in added.items()
            },
        )
        return dataclasses.replace(
            self,
            items=self.items.extended(items),
            embeddings=embeddings,
            index=None if self.index is None else ItemIndex.build(embeddings),
            titles=None if self.titles is None else np.append(self.titles, [None] * len(items)),
            fold_in=fold_in,
        )

    def _embed_users(self, users: Sequence[NewUser], items: Sequence[np.ndarray]) -> np.ndarray:
        texts = [user.texts for user in users]
        features = self._encode(texts) if any(texts) else None
        return self.fold_in.user_columns(items, features)

    def _encode(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """Features of documents, each of several texts, float32 `[n, width]`."""
        for document in texts:
            if isinstance(document, str):
                raise TypeError(f"texts must be lists of strings, as [{document!r}]")
        return self._text_encoder.encode_documents(texts)

    @property
    def _text_encoder(self) -> FittedTextEncoder:
        if self.encoder is None:
            raise DataError(
                f"the model of {self.name!r} cannot read texts: its prepared folder keeps no text "
                "encoder, its text features were made elsewhere (--text_encoder=precomputed), or "
                "it was trained with --text_encoder=none; prepare the data again, and train with "
                "text"
            )
        return self.encoder

    @functools.cached_property
    def retrieval(self) -> Retrieval:
        """Finds the best items, by the index if there is one."""
        return Retrieval(self.embeddings, self.index)

    def item_titles(self, items: Iterable[str]) -> list[str | None]:
        """What items are called; None where the prepared folder does not say.

        Args:
            items: external ids.

        Raises:
            DataError: an id is unknown.
        """
        rows = self.items.rows(items)
        return [None] * len(rows) if self.titles is None else list(self.titles[rows])

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
    encoder = load_text_encoder(dataset, name)
    return encoder if encoder.reads_text else None


def _nothing_known(text: str, unknown: Sequence[str]) -> str:
    if not text.strip():
        return "a search needs words"
    why = "they are too common to tell items apart"
    if unknown:
        named = ", ".join(map(repr, unknown[:5]))
        why = f"{named}: not in the training reviews, or in too few or too many of them"
    return f"no word of {text[:100]!r} is known to the text encoder ({why}); search for other words"
