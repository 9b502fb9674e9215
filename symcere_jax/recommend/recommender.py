"""A trained model that recommends: external ids in, external ids out."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import CountCallback
from symcere_jax.data import Interactions, ReviewDataset, schema
from symcere_jax.models import Embeddings, Mixture
from symcere_jax.models.decomposition import decompose_score
from symcere_jax.recommend.explanation import Explanation, ScoredItem
from symcere_jax.recommend.ids import IdMap
from symcere_jax.recommend.item_index import EXACT, ItemIndex, build_index
from symcere_jax.recommend.model_folder import read_model
from symcere_jax.recommend.new_users import NewUser, embed_users
from symcere_jax.recommend.retrieval import Retriever, TopItems
from symcere_jax.recommend.text_reader import TextReader
from symcere_jax.training import Metadata, load_model

Ranking = list[ScoredItem]
"""Items and their scores, the best first."""


@dataclasses.dataclass(frozen=True)
class Recommender:
    """A trained model, ready to recommend; immutable, so that threads may share it.

    >>> from symcere_jax import NewUser, Recommender
    >>> recommender = Recommender.load(workdir, dataset)

    For users of the prepared folder, without items that they interacted with:

    >>> [ranking, _] = recommender.recommend(["user-000", "user-001"], k=2)
    >>> ranking[0].score > ranking[1].score
    True

    For a new user, by two items or some words:

    >>> [ranking] = recommender.recommend_new([NewUser(items=["item-03", "item-11"])], k=5)
    >>> "item-03" in [item_id for item_id, score in ranking]
    False
    >>> [ranking] = recommender.recommend_new([NewUser(texts=["quiet balcony, near the beach"])])

    An unknown id raises a `DataError` that names it. So do texts if the prepared folder has no
    encoder to read them. A ranking has fewer than k items if no more are left.

    Attributes:
        users: external ids of the users.
        items: external ids of the items.
        embeddings: of all of them.
        mixture: embeds new users and items.
        history: positive training items of each user.
        seen: items of each user in any split.
        texts: reads new texts, if the prepared folder has an encoder.
        metadata: of the checkpoint.
        index: of the items, for approximate search; None: search is exact.
        titles: of the items, `[n_items]` by row, None where unknown; None if all are unknown.
    """

    users: IdMap
    items: IdMap
    embeddings: Embeddings
    mixture: Mixture
    history: Interactions
    seen: Interactions
    texts: TextReader
    metadata: Metadata
    index: ItemIndex | None = None
    titles: np.ndarray | None = None

    @classmethod
    def load(
        cls,
        workdir: str | Path,
        dataset: str | Path | ReviewDataset | None = None,
        *,
        index: str = EXACT,
        checksums: bool = False,
    ) -> "Recommender":
        """Loads a model folder, or the best checkpoint of a training run.

        Args:
            workdir: a model folder (see `model_folder.py`), or the folder of a run.
            dataset: the prepared folder that the run was trained on; None for a model folder.
            index: "exact", or "hnsw" for approximate search in a very large catalog; the index is
                built now.
            checksums: compare all files of a model folder with their checksums.

        Raises:
            ConfigError: the index is of an unknown kind, or the extra `ann` is not installed.
            DataError: the folder is missing or damaged.
            CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
        """
        if dataset is None:
            fields = read_model(workdir, checksums=checksums)
            return cls(**fields, index=build_index(fields["embeddings"], index))
        if not isinstance(dataset, ReviewDataset):
            dataset = ReviewDataset.load(dataset)
        trained = load_model(workdir, dataset)
        embeddings = trained.embeddings
        all_pairs = np.concatenate([dataset.interactions(split) for split in schema.SPLITS])
        return cls(
            users=IdMap("user", dataset.user_ids(), is_integer=dataset.has_integer_ids("user")),
            items=IdMap("item", dataset.item_ids(), is_integer=dataset.has_integer_ids("item")),
            embeddings=embeddings,
            mixture=trained.mixture,
            history=trained.items,
            seen=Interactions.from_pairs(all_pairs, dataset.n_users),
            texts=TextReader.load(dataset, trained.metadata.settings.text_encoder),
            metadata=trained.metadata,
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
        exclude_items: Iterable[str] = (),
    ) -> list[Ranking]:
        """The best items of each user.

        Args:
            users: external ids.
            k: number of items.
            exclude_seen: leave out items that the user interacted with in any split.
            filter_items: external ids of the items to choose from; None: all.
            exclude_items: external ids of items to leave out.
        """
        rows, allowed = self.users.rows(users), self.items.allowed(filter_items, exclude_items)
        top = self.recommend_rows(rows, k, exclude_seen=exclude_seen, allowed=allowed)
        return list(self.name_items(top))

    def recommend_rows(
        self,
        rows: np.ndarray,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: np.ndarray | None = None,
        progress: CountCallback | None = None,
    ) -> TopItems:
        """`recommend` by rows, for many users.

        Args:
            rows: int `[n]` user rows.
            k: number of items.
            exclude_seen: as in `recommend`.
            allowed: int `[m]` item rows to choose from; None: all.
            progress: called with the number of users done and of all users.
        """
        seen = self.seen if exclude_seen else Interactions.empty(len(self.users))
        return self.retriever.recommend(
            self.retriever.joined.users, rows, seen, k, allowed=allowed, progress=progress
        )

    def recommend_new(
        self,
        users: Sequence[NewUser],
        k: int = 10,
        *,
        exclude_seen: bool = True,
        filter_items: Iterable[str] | None = None,
        exclude_items: Iterable[str] = (),
    ) -> list[Ranking]:
        """The best items of users who are not in the prepared folder, without training.

        Args:
            users: what is known about each; a user about whom nothing is known gets popular items.
            k: number of items.
            exclude_seen: leave out the items that the user is known to like.
            filter_items: as in `recommend`.
            exclude_items: as in `recommend`.

        Raises:
            DataError: there are texts of a user of the prepared folder.
        """
        embedded, seen = embed_users(users, self)
        if not exclude_seen:
            seen = Interactions.empty(len(users))
        allowed, rows = self.items.allowed(filter_items, exclude_items), np.arange(len(users))
        top = self.retriever.recommend(embedded, rows, seen, k, allowed=allowed)
        return list(self.name_items(top))

    def similar_items(
        self,
        items: Iterable[str],
        k: int = 10,
        *,
        filter_items: Iterable[str] | None = None,
        exclude_items: Iterable[str] = (),
    ) -> list[Ranking]:
        """The items nearest to each item, by the cosine of their embeddings.

        Args:
            items: external ids.
            k: number of items.
            filter_items: as in `recommend`.
            exclude_items: as in `recommend`.
        """
        rows, allowed = self.items.rows(items), self.items.allowed(filter_items, exclude_items)
        itself = Interactions.from_rows(list(rows[:, None]))
        queries = self.retriever.directions[rows]
        return list(self.name_items(self.retriever.nearest(queries, itself, k, allowed=allowed)))

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        filter_items: Iterable[str] | None = None,
        exclude_items: Iterable[str] = (),
    ) -> Ranking:
        """The items that fit some words best, by the cosine with the text tower's output.

        Args:
            text: any words; `unknown_words` names those that are ignored.
            k: number of items.
            filter_items: as in `recommend`.
            exclude_items: as in `recommend`.

        Raises:
            DataError: the text encoder knows no word of the text.
        """
        allowed = self.items.allowed(filter_items, exclude_items)
        query = unit_rows(self.mixture.items(self.texts.documents([[text]])))
        if not query.any():
            raise self.texts.no_known_word(text)
        nearest = self.retriever.nearest(query, Interactions.empty(1), k, allowed=allowed)
        return next(self.name_items(nearest))

    def unknown_words(self, *texts: str) -> list[str]:
        """The distinct words of each text that searches and new users' texts ignore."""
        return [word for text in texts for word in self.texts.unknown_words(text)]

    def explain(self, user: str, item: str) -> Explanation:
        """The parts of the score of a user for an item; both by external id."""
        [row], [column] = self.users.rows([user]), self.items.rows([item])
        if not self.retriever.known_users[row]:
            score = float(self.mixture.popularity()[column])
            return Explanation(user, item, score, [], 0.0, score)
        history = self.history.row(int(row))
        parts = decompose_score(self.embeddings, self.mixture, history, int(row), int(column))
        order = np.argsort(-parts.history, kind="stable")
        names, shares = self.items.ids[history[order]].tolist(), parts.history[order].tolist()
        history_shares = list(map(ScoredItem, names, shares))
        return Explanation(user, item, parts.score, history_shares, parts.own, parts.popularity)

    def with_items(
        self, items: Mapping[str, Sequence[str]], *, bonus: float = 0.0
    ) -> "Recommender":
        """A recommender that also knows new items, by their texts.

        Args:
            items: external id -> reviews, or a description. An item is assumed to have as many
                interactions as texts.
            bonus: added to the scores of the new items; above 0 they are recommended more often,
                at the cost of the known ones (docs/serving.md has a table).

        Raises:
            DataError: an id is known already.
        """
        features = self.texts.documents(list(items.values()))
        counts = np.array([len(texts) for texts in items.values()], np.float32)
        new = self.mixture.item_rows(features, counts)
        new["item_bias"] += np.float32(bonus)
        known = vars(self.embeddings)
        rows = {name: jnp.concatenate([known[name], new[name]]) for name in new}
        embeddings = dataclasses.replace(self.embeddings, **rows)
        return dataclasses.replace(
            self,
            items=self.items.extended(items),
            embeddings=embeddings,
            index=None if self.index is None else ItemIndex(embeddings),
            titles=None if self.titles is None else np.append(self.titles, [None] * len(items)),
            mixture=self.mixture.with_items(features, counts),
        )

    @functools.cached_property
    def retriever(self) -> Retriever:
        """Finds the best items, by the index if there is one."""
        return Retriever(self.embeddings, self.index, self.mixture.popularity())

    def name_items(self, top: TopItems) -> Iterator[Ranking]:
        """Rankings by external id; empty ranks are left out."""
        ids, scores = self.items.ids[top.items].tolist(), top.scores.tolist()
        lengths = np.count_nonzero(top.items >= 0, axis=1)
        for names, values, n in zip(ids, scores, lengths, strict=True):
            yield list(map(ScoredItem, names[:n], values[:n]))
