"""The model that a service uses, and its replacement while requests are served."""

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from symcere_jax.errors import SymcereError
from symcere_jax.recommend.recommender import NewUser, Recommender
from symcere_jax.recommend.retrieval import BLOCK_SIZES, EXACT
from symcere_jax.training import Checkpoints, neighbors

_LOG = logging.getLogger(__name__)


class ServedModel:
    """Holds a recommender that can be replaced; a request keeps the one that it began with.

    Args:
        workdir: of the training run.
        dataset: the prepared folder.
        index: see `Recommender.load`.

    Raises:
        SymcereError: the first load fails; later failures keep the model that is there.
    """

    def __init__(self, workdir: str | Path, dataset: str | Path, *, index: str = EXACT) -> None:
        self._workdir, self._dataset, self._index = Path(workdir), Path(dataset), index
        self._lock = threading.Lock()
        self._version = self._find_version()
        self.recommender = self._load()
        self.n_reloads = 0
        self.n_failed_reloads = 0

    def reload(self) -> bool:
        """Loads the newest checkpoint and puts it in the place of the model.

        Returns:
            Whether that went well; if not, the reason is logged and the old model stays.
        """
        with self._lock:  # one at a time; requests do not wait for it
            version = self._find_version()
            try:
                recommender = self._load()
            except Exception as error:  # such as a device without room: the old model can go on
                self.n_failed_reloads += 1
                is_defect = not isinstance(error, (SymcereError, OSError))
                _LOG.error("the model was not reloaded: %s", error, exc_info=is_defect)
                return False
            self._version = version
            self.recommender = recommender
            self.n_reloads += 1
            _LOG.info("model reloaded: step %d", recommender.metadata.progress.best_step)
            return True

    def reload_if_new(self) -> bool:
        """Reloads where the workdir holds another checkpoint than the one that is served."""
        return self._find_version() != self._version and self.reload()

    def _find_version(self) -> tuple:
        """Changes with the checkpoint and with the prepared folder."""
        paths = [self._dataset / "manifest.json", self._workdir / neighbors.FILE]
        folder = Checkpoints(self._workdir).folder / "best"
        with contextlib.suppress(OSError):  # another process deletes it just now
            paths += sorted(folder.glob("*/contents.json"))
        found: list[tuple[str, int, int]] = []
        for path in paths:
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)

    def _load(self) -> Recommender:
        recommender = Recommender.load(self._workdir, self._dataset, index=self._index)
        warm_up(recommender)
        return recommender


def warm_up(recommender: Recommender) -> None:
    """Compiles what the first requests would otherwise wait for."""
    user, item = str(recommender.users.ids[0]), str(recommender.items.ids[0])
    calls: list[Callable[[], object]] = [
        *(lambda n=size: recommender.recommend([user] * n) for size in BLOCK_SIZES[:-1]),
        lambda: recommender.similar_items([item]),
        lambda: recommender.recommend_new([NewUser(items=[item])]),
        lambda: recommender.explain(user, item),
    ]
    encoder = recommender.encoder
    if encoder is not None:  # a search is that of `similar_items`, for what the encoder makes
        calls += [
            lambda: recommender.fold_in.items(encoder.encode_documents([["the"]])),
            lambda: recommender.recommend_new([NewUser(texts=["the"])]),
        ]
    for call in calls:
        call()
