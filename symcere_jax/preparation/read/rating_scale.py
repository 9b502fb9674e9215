"""The scale of the ratings, which are mapped to 1 … 5."""

from collections.abc import Sequence

import numpy as np

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.read.rows import ReadingLog, RowError
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


def normalize_ratings(
    store: ReviewStore,
    settings: CleaningSettings,
    log: ReadingLog,
    known: Sequence[float] | None = None,
) -> Scale:
    """Finds the scale of new ratings and brings them to 1 … 5; others stay as they are.

    A rating r on a scale from a to b becomes `1 + 4 (r − a) / (b − a)`.

    Args:
        store: holds the raw rows, of which new ones have a number of 0 or more.
        settings: limits of the scale, if they are known.
        log: takes the rows with a rating beyond the scale.
        known: the scale of the folder that reviews are appended to.

    Returns:
        The scale.

    Raises:
        DataError: no scale fits, or a rating is beyond it and bad rows end the run.
    """
    low, high = scale = _find_scale(store, settings, known)
    stray = f"row >= 0 AND NOT rating BETWEEN {low} AND {high}"
    n_stray, row, rating = store.fetch_row(
        f"SELECT count(*), min(row), arg_min(rating, row) FROM raw WHERE {stray}"
    )
    kept = f"rating IS NULL OR NOT ({stray})"
    if n_stray:
        problem = (
            f"{store.where_first(np.array([row]))}: rating is {rating:g}, must be in {low:g} … "
            f"{high:g}; if that is not the scale, set --min_valid_rating and "
            "--max_valid_rating"
        )
        log.add(RowError(problem, "rating out of range", n_stray))
        log.check(log.n_rows)
        if not store.count(f"raw WHERE {kept}"):
            raise log.nothing_left()
    if n_stray or scale != STARS:
        store.finish(
            f"CASE WHEN row < 0 THEN rating ELSE 1 + 4 * (rating - ({low})) / {high - low} END",
            kept,
        )
    return scale


def _find_scale(
    store: ReviewStore, settings: CleaningSettings, known: Sequence[float] | None
) -> Scale:
    if known is not None:
        return float(known[0]), float(known[1])
    limits = settings.min_valid_rating, settings.max_valid_rating
    if limits != (None, None):
        low, high = (x if x is not None else own for x, own in zip(limits, STARS, strict=True))
        return float(low), float(high)
    ratings = "raw WHERE row >= 0 AND rating IS NOT NULL"
    n, least, most = store.fetch_row(f"SELECT count(*), min(rating), max(rating) FROM {ratings}")
    for low, high in SCALES:
        n_beyond = store.count(f"{ratings} AND NOT rating BETWEEN {low} AND {high}")
        if n_beyond <= max(_STRAY_SHARE * n, 1 if n >= _ROWS_OF_ONE_STRAY else 0):
            return float(low), float(high)
    raise DataError(
        f"ratings lie between {least:g} and {most:g}, which is not a known scale: set "
        "--min_valid_rating and --max_valid_rating"
    )
