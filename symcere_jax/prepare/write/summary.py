"""What a preparation did, as numbers and as a table."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table
from rich.text import Text


@dataclasses.dataclass(frozen=True)
class Summary:
    """The counts of a preparation.

    Attributes:
        name: short name of the data set.
        output: the prepared folder.
        n_read: rows in the raw files.
        dropped: reason -> rows left out.
        changed_texts: kind of change -> texts that were cleaned.
        n_users: users that are left.
        n_items: items that are left.
        n_reviews: reviews that are left, over all splits.
        n_interactions: split -> reviews.
        split: the policy that was used.
        n_empty_texts: reviews without text.
        words_per_review: mean over all reviews.
        n_cold_users: users without a training review.
        n_cold_items: items without a training review.
        n_bad_items: malformed rows of the item metadata, which were skipped.
        n_unknown_items: items without title and categories; None where none were read.
        seconds: from start to end.
    """

    name: str
    output: Path
    n_read: int
    dropped: Mapping[str, int]
    changed_texts: Mapping[str, int]
    n_users: int
    n_items: int
    n_reviews: int
    n_interactions: Mapping[str, int]
    split: str
    n_empty_texts: int
    words_per_review: float
    n_cold_users: int
    n_cold_items: int
    n_bad_items: int
    n_unknown_items: int | None
    seconds: float

    @property
    def density(self) -> float:
        """Share of all (user, item) pairs that have a review."""
        return self.n_reviews / (self.n_users * self.n_items)

    def as_table(self) -> Table:
        """The counts as a table for people."""
        table = Table(
            title=Text(self.name, style="table.title"), show_header=False, title_justify="left"
        )
        table.add_column()
        table.add_column(justify="right")
        table.add_row("rows read", f"{self.n_read:,}")
        for reason, n_rows in self.dropped.items():
            if n_rows:
                table.add_row(f"  dropped: {reason}", f"{n_rows:,}")
        for change, n_texts in self.changed_texts.items():
            if n_texts:
                table.add_row(f"  texts: {change}", f"{n_texts:,}")
        table.add_row("users", f"{self.n_users:,}")
        table.add_row("items", f"{self.n_items:,}")
        table.add_row("reviews", f"{self.n_reviews:,}")
        for name, n_rows in self.n_interactions.items():
            share = n_rows / self.n_reviews
            table.add_row(f"  {name}", f"{n_rows:,}  {share:6.1%}")
        table.add_row("split", self.split)
        table.add_row("density", f"{self.density:.4%}")
        table.add_row("words per review", f"{self.words_per_review:.1f}")
        table.add_row("reviews without text", f"{self.n_empty_texts:,}")
        table.add_row("users without training review", f"{self.n_cold_users:,}")
        table.add_row("items without training review", f"{self.n_cold_items:,}")
        if self.n_bad_items:
            table.add_row("bad rows of item metadata", f"{self.n_bad_items:,}")
        if self.n_unknown_items:
            table.add_row("items without metadata", f"{self.n_unknown_items:,}")
        table.add_row("seconds", f"{self.seconds:.1f}")
        return table
