"""The model that a service uses, and its replacement while requests are served."""

import contextlib
import logging
import threading
from pathlib import Path

from symcere_jax.data import schema
from symcere_jax.errors import CheckpointError, SymcereError
from symcere_jax.recommend.item_index import EXACT
from symcere_jax.recommend.model_folder import CONTENT
from symcere_jax.recommend.recommender import NewUser, Recommender
from symcere_jax.recommend.retrieval import BLOCK_SIZES
from symcere_jax.training import Checkpoints

_LOG = logging.getLogger(__name__)


class ServedModel:
    """A recommender, loaded with the same arguments, that can be replaced while it is in use.

    Raises:
        SymcereError: the first load fails; later failures keep the model that is there.
    """

    def __init__(
        self, workdir: str | Path, dataset: str | Path | None = None, *, index: str = EXACT
    ) -> None:
        self._workdir, self._index = Path(workdir), index
        self._dataset = None if dataset is None else Path(dataset)
        self._reloading = threading.Lock()  # one at a time; requests do not wait for it
        self._version = self._newest_version()
        self.recommender = self._load()
        self.n_reloads = 0
        self.n_failed_reloads = 0

    @property
    def step(self) -> int:
        """Training steps of the model."""
        return self.recommender.metadata.progress.best_step

    def reload(self) -> bool:
        """Replaces the model by the newest one; if that fails, logs why, and returns False."""
        with self._reloading:
            version = self._newest_version()
            try:
                recommender = self._load()
            except Exception as error:  # such as a device without room: the old model still serves
                self.n_failed_reloads += 1
                is_defect = not isinstance(error, (SymcereError, OSError))
                _LOG.error("the model was not reloaded: %s", error, exc_info=is_defect)
                return False
            self._version = version
            self.recommender = recommender
            self.n_reloads += 1
            _LOG.info("model reloaded: step %d", self.step)
            return True

    def reload_if_new(self) -> bool:
        """Reloads where the workdir holds another checkpoint than the one that is served."""
        return self._newest_version() != self._version and self.reload()

    def _newest_version(self) -> set[object]:
        """Changes with the best parameters of the run and with the prepared or model folder."""
        version: set[object] = set()
        path = self._dataset / schema.MANIFEST if self._dataset else self._workdir / CONTENT
        with contextlib.suppress(OSError):  # absent, or just being replaced
            version.add(path.stat().st_mtime_ns)
        if self._dataset is not None:
            with contextlib.suppress(CheckpointError):
                progress = Checkpoints(self._workdir).metadata().progress
                version.add((progress.best_step, progress.best_score))
        return version

    def _load(self) -> Recommender:
        recommender = Recommender.load(self._workdir, self._dataset, index=self._index)
        warm_up(recommender)
        return recommender


def warm_up(recommender: Recommender) -> None:
    """Compiles what the first requests would otherwise wait for."""
    user, item = str(recommender.users.ids[0]), str(recommender.items.ids[0])
    for size in BLOCK_SIZES[:-1]:
        recommender.recommend([user] * size)
    recommender.similar_items([item])  # searches need the same
    recommender.recommend_new([NewUser(items=[item])])
    recommender.explain(user, item)
    if recommender.texts.encoder is not None:
        recommender.mixture.items(recommender.texts.documents([["the"]]))
        recommender.recommend_new([NewUser(texts=["the"])])
