"""Vectors of texts that were encoded before, in an SQLite file, by content of the text.

What was committed outlives a kill, two runs may write at once, and memory does not grow with the
number of texts.
"""

import hashlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symcere_jax.errors import DataError

_SECONDS_BETWEEN_SAVES = 30.0
_LOCK_TIMEOUT = 60.0  # seconds that a writer waits for another one


class VectorCache:
    """Vectors float32 by text.

    Args:
        folder: of one encoder; made where it is missing.
        width: of a vector.

    Raises:
        DataError: the folder cannot be made, or holds a file that is no cache.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self._path = folder / "vectors.sqlite"
        self._width = width
        self._pending: list[tuple[bytes, bytes]] = []
        self._saved_at = time.monotonic()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._path, timeout=_LOCK_TIMEOUT)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise DataError(
                f"--text_cache: {self._path}: {error}; delete it or name another folder"
            ) from None

    def get(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors of those texts that were saved, float32 `[width]` each."""
        vectors = {}
        for text in texts:
            query = "SELECT vector FROM vectors WHERE key = ?"
            row = self._database.execute(query, (_key(text),)).fetchone()
            if row and len(row[0]) == 4 * self._width:
                vectors[text] = np.frombuffer(row[0], np.float32)
        return vectors

    def add(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Adds vectors of texts; saves from time to time."""
        rows = vectors.astype(np.float32)
        self._pending += [
            (_key(text), row.tobytes()) for text, row in zip(texts, rows, strict=True)
        ]
        if time.monotonic() - self._saved_at >= _SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Writes what was added to disk.

        Raises:
            DataError: there is no room, or no right to.
        """
        self._saved_at = time.monotonic()
        try:
            with self._database:
                query = "INSERT OR REPLACE INTO vectors VALUES (?, ?)"
                self._database.executemany(query, self._pending)
        except sqlite3.Error as error:
            raise DataError(f"--text_cache: cannot write to {self._path}: {error}") from None
        self._pending = []


def _key(text: str) -> bytes:
    """The first 16 bytes of the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
