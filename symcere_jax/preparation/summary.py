"""The result of a preparation, as a table."""

from rich.table import Table
from rich.text import Text

from symcere_jax.data import Manifest
from symcere_jax.preparation.read.rating_scale import STARS


def summary(manifest: Manifest, seconds: float) -> Table:
    """The counts of a prepared folder, and the seconds that the preparation took."""
    counts = manifest.statistics
    table = Table(
        title=Text(manifest.name, style="table.title"), show_header=False, title_justify="left"
    )
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rows read", f"{counts['raw_rows']:,}")
    for reason, n_rows in manifest.dropped.items():
        if n_rows:
            table.add_row(f"  dropped: {reason}", f"{n_rows:,}")
    for change, n_texts in manifest.cleaning["changed_texts"].items():
        if n_texts:
            table.add_row(f"  texts: {change}", f"{n_texts:,}")
    low, high = manifest.cleaning["rating_scale"]
    if (low, high) != STARS:
        table.add_row("  ratings: brought to 1 … 5", f"{low:g} … {high:g}")
    for name in ("users", "items", "reviews"):
        table.add_row(name, f"{getattr(manifest, f'n_{name}'):,}")
    for name, n_rows in manifest.n_interactions.items():
        table.add_row(f"  {name}", f"{n_rows:,}  {n_rows / manifest.n_reviews:6.1%}")
    table.add_row("split", manifest.split_name)
    density = manifest.n_reviews / (manifest.n_users * manifest.n_items)
    table.add_row("density", f"{density:.4%}")
    table.add_row("words per review", f"{counts['words'] / manifest.n_reviews:.1f}")
    for name in (
        "reviews_without_text",
        "users_without_training_review",
        "items_without_training_review",
    ):
        table.add_row(name.replace("_", " "), f"{counts[name]:,}")
    for name, shown in (
        ("extra_users", "training users from outside the k-core"),
        ("extra_reviews", "training reviews from there"),
        ("extra_texts", "texts of items from there"),
        ("bad_rows_of_item_metadata", "bad rows of item metadata"),
        ("items_without_metadata", "items without metadata"),
    ):
        if counts.get(name):
            table.add_row(shown, f"{counts[name]:,}")
    table.add_row("seconds", f"{seconds:.1f}")
    return table
