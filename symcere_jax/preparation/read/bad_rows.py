"""Malformed rows: the first one ends the run, or all are counted; and what else is to be said."""

from collections import Counter

from symcere_jax.errors import DataError

_SHOWN = 3


class RowError(DataError):
    """A row is malformed.

    Attributes:
        reason: a few words that group such rows in counts.
        n_rows: rows that it stands for: two where a line end is lost.
    """

    def __init__(self, message: str, reason: str, n_rows: int = 1) -> None:
        super().__init__(message)
        self.reason = reason
        self.n_rows = n_rows


class BadRows:
    """Collects malformed rows, or refuses the first one.

    Attributes:
        counts: reason -> number of rows.
        notes: what was found out of files that could be read in several ways.
        text_ids: "user" and "item" where some ids are no numbers.
    """

    def __init__(self, policy: str, max_share: float) -> None:
        self.policy = policy
        self.max_share = max_share
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self.text_ids: set[str] = set()
        self._first: list[str] = []

    def add(self, error: RowError) -> None:
        """Counts a row, or raises its error where the policy is "fail"."""
        if self.policy == "fail":
            raise error
        self.counts[f"bad row: {error.reason}"] += error.n_rows
        if len(self._first) < _SHOWN:
            self._first.append(str(error))

    def note(self, message: str) -> None:
        """Keeps what a person should know of how a file was read."""
        self.notes.append(message)

    def check(self, n_read: int) -> None:
        """Refuses data of which too many of all `n_read` rows are bad.

        Raises:
            DataError: that is so.
        """
        n_bad = self.counts.total()
        if n_bad > self.max_share * n_read:
            raise DataError(
                f"{n_bad:,} of {n_read:,} rows are bad, more than --max_bad_share="
                f"{self.max_share:g}; the first: {' | '.join(self._first)}"
            )
