"""The scale of the ratings, from which all are brought to 1 … 5."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows, RowError
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.settings import CleaningSettings

Scale = tuple[float, float]

STARS: Scale = (1.0, 5.0)
# The first that fits is taken.
SCALES: tuple[Scale, ...] = (
    STARS, (0, 1), (0.5, 5), (0, 5), (1, 10), (0, 10), (-5, 5), (-10, 10), (1, 100), (0, 100),
)  # fmt: skip
# Ratings beyond a scale that are errors rather than signs of another scale: a share of all, or a
# single one among so many.
_STRAY_SHARE = 0.001
_ROWS_OF_ONE_STRAY = 20
_SHOWN = 3  # of them, in a message


def normalize_ratings(
    store: ReviewStore,
    settings: CleaningSettings,
    dropped: dict[str, int],
    n_rows: int,
    known: Sequence[float] | None = None,
) -> Scale:
    """Finds the scale of new ratings and brings them to 1 … 5; others stay as they are.

    A rating r on a scale from a to b becomes `1 + 4 (r − a) / (b − a)`.

    Args:
        store: holds the raw rows, of which new ones have a number of 0 or more.
        settings: limits of the scale, if they are known, and what to do with bad rows.
        dropped: reason -> rows left out; gets those with a rating beyond the scale.
        n_rows: rows in the raw files.
        known: the scale of the folder that reviews are appended to.

    Returns:
        The scale.

    Raises:
        DataError: no scale fits, or a rating is beyond it and bad rows end the run.
    """
    low, high = scale = _find_scale(store, settings, known)
    stray = f"row >= 0 AND NOT rating BETWEEN {low} AND {high}"
    (n_stray,) = store.fetch_row(f"SELECT count(*) FROM raw WHERE {stray}")
    kept = f"rating IS NULL OR NOT ({stray})"
    bad = BadRows(settings.on_bad_row, settings.max_bad_share)
    first = f"SELECT row, rating FROM raw WHERE {stray} ORDER BY row LIMIT {_SHOWN}"
    for row, rating in [pair for batch in store.stream(first) for pair in _pairs(batch)]:
        problem = (
            f"rating is {rating:g}, must be in {low:g} … {high:g}; if that is not the scale, give "
            "it by --min_valid_rating and --max_valid_rating"
        )
        where = store.where_first(np.array([row]))
        bad.add(RowError(f"{where}: {problem}", "rating out of range"))
    for reason in bad.counts:
        bad.counts[reason] = n_stray
    has_strays = n_stray > 0
    bad.counts.update({name: n for name, n in dropped.items() if name.startswith("bad row")})
    bad.check(n_rows)
    dropped |= bad.counts
    (n_left,) = store.fetch_row(f"SELECT count(*) FROM raw WHERE {kept}")
    if not n_left:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in dropped.items() if n)
        raise DataError(f"no review is left of {n_rows:,} rows (dropped: {reasons})")
    if has_strays or scale != STARS:
        store.replace_ratings(
            f"CASE WHEN row < 0 THEN rating ELSE 1 + 4 * (rating - ({low})) / {high - low} END",
            where=kept,
        )
    return scale


def _pairs(batch: pa.RecordBatch) -> Iterator[tuple]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _find_scale(
    store: ReviewStore, settings: CleaningSettings, known: Sequence[float] | None
) -> Scale:
    if known is not None:
        return float(known[0]), float(known[1])
    limits = settings.min_valid_rating, settings.max_valid_rating
    if limits != (None, None):
        low, high = (x if x is not None else own for x, own in zip(limits, STARS, strict=True))
        return float(low), float(high)
    ratings = "FROM raw WHERE row >= 0 AND rating IS NOT NULL"
    n, least, most = store.fetch_row(f"SELECT count(*), min(rating), max(rating) {ratings}")
    for low, high in SCALES:
        (n_beyond,) = store.fetch_row(
            f"SELECT count(*) {ratings} AND NOT rating BETWEEN {low} AND {high}"
        )
        if n_beyond <= max(_STRAY_SHARE * n, 1 if n >= _ROWS_OF_ONE_STRAY else 0):
            return float(low), float(high)
    raise DataError(
        f"ratings lie between {least:g} and {most:g}, which is no scale that is known: give it by "
        "--min_valid_rating and --max_valid_rating"
    )
