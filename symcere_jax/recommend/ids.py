"""External ids of users and items, and the rows that they stand for."""

import functools
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from symcere_jax.errors import DataError


class UnknownIdError(DataError):
    """The model does not know an id."""


class IdMap:
    """The external ids of users, or of items, by row.

    Args:
        kind: "user" or "item", for messages.
        ids: `[n]` distinct strings.
        is_integer: the data has them as integers.
    """

    def __init__(
        self, kind: str, ids: np.ndarray | pa.ChunkedArray, *, is_integer: bool = False
    ) -> None:
        self.kind, self.is_integer, self._given = kind, is_integer, ids

    def __len__(self) -> int:
        return len(self._given)

    @functools.cached_property
    def ids(self) -> np.ndarray:
        """The ids, object `[n]`; made when they are needed, since many take a while."""
        return np.asarray(self._given, object)

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    @functools.cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids)}

    def rows(self, names: Iterable[str | int]) -> np.ndarray:
        """The rows of ids, int64 `[n]`; 12 is the same as "12".

        Raises:
            UnknownIdError: an id is unknown; the message names the first one.
            TypeError: `names` is a single string, whose letters would be taken for ids.
        """
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise TypeError(f"{self.kind} ids must be a list, as [{names!r}]")
        keys = list(map(str, names))
        rows = np.fromiter((self._rows.get(key, -1) for key in keys), np.int64, len(keys))
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            more = f" (and {len(unknown) - 1} more unknown ids)" if len(unknown) > 1 else ""
            raise UnknownIdError(
                f"no {self.kind} {keys[unknown[0]]!r} among the {len(self):,} {self.kind}s that "
                f"the model knows{more}, whose ids look like {self.ids[0]!r}; "
                f"{_REMEDIES[self.kind]}"
            )
        return rows

    def arrow(self, rows: np.ndarray) -> pa.Array:
        """The ids of rows, int `[n]`: as integers where the data has integers, else as strings."""
        ids = pa.array(self.ids[rows], pa.string())
        return ids.cast(pa.int64()) if self.is_integer else ids

    def allowed(
        self, only: Iterable[str | int] | None, excluded: Iterable[str | int]
    ) -> np.ndarray | None:
        """The rows to choose from, int `[m]`; None: all.

        Args:
            only: ids to choose from; None: all.
            excluded: ids to leave out.

        Raises:
            UnknownIdError: an id is unknown.
        """
        out = self.rows(excluded)
        if only is None and not len(out):
            return None
        return np.setdiff1d(np.arange(len(self)) if only is None else self.rows(only), out)

    def extended(self, names: Iterable[str]) -> "IdMap":
        """These ids, followed by new ones.

        Raises:
            DataError: an id is known already, or repeated.
        """
        names = list(names)
        known = set(self._rows)
        for name in names:
            if name in known:
                raise DataError(f"{self.kind} {name!r} is known already; choose another id")
            known.add(name)
        ids = np.concatenate([self.ids, np.array(names, object)])
        are_integers = all(name.removeprefix("-").isdecimal() for name in names)
        return IdMap(self.kind, ids, is_integer=self.is_integer and are_integers)


_REMEDIES = {
    "user": "for a new user, give items or reviews instead",
    "item": "for a new item, give its reviews or a description first",
}
