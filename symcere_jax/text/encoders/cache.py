"""Vectors of texts that were encoded before, on disk, by content of the text.

A cache folder belongs to one encoder, and holds pairs of files, `<n>.keys.npy` and
`<n>.vectors.npy`, each written once under another name, then renamed: a run that is killed leaves
whole files, which the next run goes on from, and two runs may write at once.
"""

import contextlib
import hashlib
import secrets
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from symcere_jax.data.dataset import load_array
from symcere_jax.errors import DataError
from symcere_jax.files import replacing

_KEY_BYTES = 16
_KEYS, _VECTORS = ".keys.npy", ".vectors.npy"


def text_key(text: str) -> bytes:
    """What a text is known by: the first 16 bytes of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES]


class VectorCache:
    """Vectors float32 by text.

    Args:
        folder: of one encoder; made where it is missing.
        width: of a vector.
        save_every: seconds between two writes.

    Raises:
        DataError: the folder cannot be made or read.
    """

    def __init__(self, folder: Path, width: int, *, save_every: float = 30.0) -> None:
        self._folder, self._width, self._save_every = folder, width, save_every
        self._places: dict[bytes, tuple[np.ndarray, int]] = {}
        self._pending: dict[bytes, np.ndarray] = {}
        self._saved_at = time.monotonic()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = sorted(folder.glob(f"*{_KEYS}"))
        except OSError as error:
            raise DataError(f"--text_cache: {error}; name another folder") from None
        for path in paths:
            self._add_file(path)

    def __len__(self) -> int:
        return len(self._places) + len(self._pending)

    def missing(self, texts: Sequence[str]) -> list[int]:
        """Places of the texts that have no vector yet, each text once."""
        seen: set[bytes] = set()
        places = []
        for place, text in enumerate(texts):
            key = text_key(text)
            if key not in self._places and key not in self._pending and key not in seen:
                seen.add(key)
                places.append(place)
        return places

    def get(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts, float32 `[n, width]`.

        Raises:
            KeyError: a text has none.
        """
        out = np.empty((len(texts), self._width), np.float32)
        for place, text in enumerate(texts):
            key = text_key(text)
            if key in self._pending:
                out[place] = self._pending[key]
            else:
                vectors, row = self._places[key]
                out[place] = vectors[row]
        return out

    def add(self, texts: Iterable[str], vectors: np.ndarray) -> None:
        """Adds vectors of texts, and from time to time writes what was added to disk."""
        for text, vector in zip(texts, vectors, strict=True):
            self._pending[text_key(text)] = vector
        if time.monotonic() - self._saved_at >= self._save_every:
            self.save()

    def save(self) -> None:
        """Writes what was added to disk.

        Raises:
            DataError: there is no room, or no right to.
        """
        self._saved_at = time.monotonic()
        if not self._pending:
            return
        keys = np.frombuffer(b"".join(self._pending), np.uint8).reshape(-1, _KEY_BYTES)
        vectors = np.stack(list(self._pending.values())).astype(np.float32)
        name = f"{time.time_ns():020}_{secrets.token_hex(4)}"
        try:
            # The keys come last: whoever sees them finds the vectors.
            for ending, array in ((_VECTORS, vectors), (_KEYS, keys)):
                with replacing(self._folder / f"{name}{ending}") as aside, aside.open("wb") as file:
                    np.save(file, array)
        except OSError as error:
            reason = error.strerror or f"is the disk full? {error}"
            raise DataError(f"--text_cache: cannot write to {self._folder}: {reason}") from None
        self._pending = {}
        self._add_file(self._folder / f"{name}{_KEYS}")

    def _add_file(self, path: Path) -> None:
        """Opens a pair of files; leaves out what is no such pair, which is then encoded anew."""
        with contextlib.suppress(DataError):
            keys = load_array(path)
            vectors = load_array(path.with_name(path.name.removesuffix(_KEYS) + _VECTORS))
            whole = keys.shape == (len(vectors), _KEY_BYTES) and keys.dtype == np.uint8
            if whole and vectors.shape[1:] == (self._width,) and vectors.dtype == np.float32:
                content = keys.tobytes()
                for row in range(len(keys)):
                    key = content[row * _KEY_BYTES : (row + 1) * _KEY_BYTES]
                    self._places[key] = (vectors, row)
