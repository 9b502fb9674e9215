"""A cache of vectors by text, in an SQLite file.

Committed vectors survive a kill, several runs may write at once, and memory does not grow with the
number of texts.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symcere_jax.errors import DataError

_LOCK_TIMEOUT = 60.0  # seconds that a writer waits for another


class VectorCache:
    """Vectors that one encoder made, by text.

    Args:
        folder: of the cache; made if it is missing.
        width: of the vectors.

    Raises:
        DataError: the folder cannot be made, or its file is no cache.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self._path = folder / "vectors.sqlite"
        self._width = width
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # A worker of Ray makes and calls it in different threads, never in two at once.
            self._database = sqlite3.connect(
                self._path, timeout=_LOCK_TIMEOUT, check_same_thread=False
            )
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise DataError(
                f"--text_cache: {self._path}: {error}; delete it or name another folder"
            ) from None

    def __reduce__(self) -> tuple:
        """Another process reopens the file."""
        return VectorCache, (self._path.parent, self._width)

    def get(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The cached vectors of some texts, float32 `[width]` each."""
        vectors = {}
        for text in texts:
            query = "SELECT vector FROM vectors WHERE key = ?"
            row = self._database.execute(query, (_key(text),)).fetchone()
            if row and len(row[0]) == 4 * self._width:
                vectors[text] = np.frombuffer(row[0], np.float32)
        return vectors

    def add(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Adds vectors.

        Args:
            texts: n of them.
            vectors: float `[n, width]`.

        Raises:
            DataError: the file cannot be written.
        """
        rows = zip(
            map(_key, texts), (row.tobytes() for row in vectors.astype(np.float32)), strict=True
        )
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise DataError(f"--text_cache: cannot write to {self._path}: {error}") from None


def _key(text: str) -> bytes:
    """The first 16 bytes of the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
