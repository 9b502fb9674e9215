"""A trained model whose answers are data frames."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from symcere_jax.api.frames import frame_kind, from_arrow
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError
from symcere_jax.evaluation.stored_scores import stored_metrics
from symcere_jax.recommend import Explanation, NewUser, Recommender
from symcere_jax.recommend.formats import ranking_table
from symcere_jax.recommend.model_folder import is_model_folder, read_content, save_model
from symcere_jax.recommend.recommender import Ranking
from symcere_jax.recommend.retrieval import TopItems
from symcere_jax.study.scoring import score_run


@dataclasses.dataclass(frozen=True, repr=False)
class Model:
    """A trained model.

    Attributes:
        recommender: the same model with lists instead of frames, for services.
        frames: kind of the resulting frames: "pandas", "polars" or "pyarrow".
        data: the prepared folder; None for a model folder.
        workdir: folder of the run; None for a model folder.
        stored_scores: metrics in a model folder.
    """

    recommender: Recommender
    frames: str = dataclasses.field(default_factory=frame_kind)
    data: ReviewDataset | None = None
    workdir: Path | None = None
    stored_scores: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def of_run(cls, workdir: str | Path, data: ReviewDataset) -> "Model":
        """The best checkpoint of a run."""
        frames = data.manifest.source["options"].get("frames") or frame_kind()
        return cls(Recommender.load(workdir, data), frames, data, Path(workdir))

    def __repr__(self) -> str:
        """What it is, in a line."""
        model = self.recommender
        size = f"{len(model.users):,} users, {len(model.items):,} items"
        scores = self.scores
        score = f", test ndcg@10 {scores['test ndcg@10']:.4f}" if "test ndcg@10" in scores else ""
        return f"Model({model.metadata.dataset}: {size}{score})"

    @property
    def scores(self) -> Mapping[str, float]:
        """The measured scores, such as `"test ndcg@10"`; empty before `evaluate`."""
        return stored_metrics(self.workdir) if self.workdir else self.stored_scores

    def evaluate(
        self, split: str = "test", *, ks: int | Sequence[int] = (5, 10, 20, 50)
    ) -> dict[str, float]:
        """Metrics by full ranking, such as `"ndcg@10"`; they are kept with the run.

        Args:
            split: "valid" or "test".
            ks: one cutoff, or several.

        Raises:
            ConfigError: the model has no held-out reviews, because it is a model folder.
            DataError: the split has no interactions.
        """
        if self.data is None or self.workdir is None:
            raise ConfigError(
                "a model folder has no held-out reviews: load the run with its data, "
                "load(workdir, data); `scores` has what was measured before"
            )
        cutoffs = [ks] if isinstance(ks, int) else ks
        evaluation, _ = score_run(self.workdir, self.data, split, ks=cutoffs)
        return dict(evaluation.metrics)

    def recommend(
        self,
        users: Iterable[str | int] | None = None,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        filter_items: Iterable[str | int] | None = None,
        exclude_items: Iterable[str | int] = (),
    ) -> Any:
        """The best items of each user: a frame of user_id, item_id, rank (from 1), score, title.

        Args:
            users: ids; None: all users.
            k: number of items.
            exclude_seen: leave out what a user interacted with.
            filter_items: ids of the items to choose from; None: all.
            exclude_items: ids of items to leave out.

        Raises:
            UnknownIdError: an id is unknown.
        """
        model = self.recommender
        rows = np.arange(len(model.users)) if users is None else model.users.rows(users)
        allowed = model.items.allowed(filter_items, exclude_items)
        top = model.recommend_rows(rows, k, exclude_seen=exclude_seen, allowed=allowed)
        return self._frame("user_id", model.users.arrow(rows), top)

    def recommend_new(
        self,
        items: Iterable[str | int] | None = None,
        texts: Sequence[str] | None = None,
        k: int = 10,
    ) -> Any:
        """The best items for a new user, without training: a frame of item_id, rank, score.

        Without known items and words, the user gets popular items.

        Args:
            items: ids of items that the user likes.
            texts: reviews by the user, or other words about what the user likes.
            k: number of items.
        """
        for name, given in (("items", items), ("texts", texts)):
            if isinstance(given, str):
                raise TypeError(f"{name} must be a list, as [{given!r}]")
        user = NewUser([*map(str, items or ())], texts or ())
        return self._rankings("", None, self.recommender.recommend_new([user], k))

    def similar_items(self, items: Iterable[str | int], k: int = 10) -> Any:
        """The items most similar to each item: a frame of similar_to, item_id, rank, score.

        Args:
            items: ids.
            k: number of items.
        """
        model = self.recommender
        rows = model.items.rows(items)
        rankings = model.similar_items(model.items.ids[rows], k)
        return self._rankings("similar_to", model.items.arrow(rows), rankings)

    def search(self, text: str, k: int = 10) -> Any:
        """The items that fit some words best: a frame of item_id, rank, score.

        Args:
            text: any words.
            k: number of items.
        """
        return self._rankings("", None, [self.recommender.search(text, k)])

    def explain(self, user: str | int, item: str | int) -> Explanation:
        """The parts of a score; notebooks show them as a table.

        Args:
            user: id.
            item: id.
        """
        return self.recommender.explain(str(user), str(item))

    def save(self, folder: str | Path) -> Path:
        """Writes a model folder, which needs neither run nor data; see `load`.

        Args:
            folder: to write; an existing model is replaced.
        """
        return save_model(self.recommender, folder, self.scores)

    def _rankings(self, key: str, ids: pa.Array | None, rankings: Sequence[Ranking]) -> Any:
        shape = len(rankings), max(map(len, rankings), default=0)
        top = TopItems(np.full(shape, -1), np.zeros(shape))
        for place, ranking in enumerate(rankings):
            names, scores = zip(*ranking, strict=True) if ranking else ((), ())
            top.items[place, : len(ranking)] = self.recommender.items.rows(names)
            top.scores[place, : len(ranking)] = scores
        return self._frame(key, ids, top)

    def _frame(self, key: str, ids: pa.Array | None, top: TopItems) -> Any:
        return from_arrow(ranking_table(self.recommender, key, ids, top), self.frames)


def load(
    path: str | Path, data: ReviewDataset | str | Path | None = None, *, checksums: bool = False
) -> Model:
    """Loads a model.

    Args:
        path: a model folder, or the folder of a run.
        data: the prepared folder that the run was trained on; None for a model folder.
        checksums: compare all files of a model folder with their checksums, at about a gigabyte a
            second; their sizes are always compared.

    Raises:
        ConfigError: the folder of a run is given without its data.
        DataError: a folder is missing or damaged.
        CheckpointError: there is no checkpoint, it is damaged, or of another prepared folder.
    """
    if data is not None:
        return Model.of_run(path, open_data(data))
    if not is_model_folder(path) and (Path(path) / "checkpoints").exists():
        raise ConfigError(
            f"{path} is a training run: load it with its data, load({str(path)!r}, data)"
        )
    recommender = Recommender.load(path, checksums=checksums)
    return Model(recommender, stored_scores=read_content(path)["scores"])


def open_data(data: ReviewDataset | str | Path) -> ReviewDataset:
    """A prepared folder, opened.

    Raises:
        DataError: it is missing or damaged.
        TypeError: it is not a prepared folder.
    """
    if isinstance(data, ReviewDataset):
        return data
    if isinstance(data, str | Path):
        return ReviewDataset.load(data)
    raise TypeError(
        f"expected a prepared folder, which `prepare` makes, not a {type(data).__name__}"
    )
