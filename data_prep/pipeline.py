"""The preparation from raw reviews to a prepared folder, stage by stage."""

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_prep import cleaning, splitting, writing
from data_prep.config import PrepareConfig
from data_prep.selection import NO_TIME, Selection, select
from data_prep.sources import SOURCES
from data_prep.sources.raw import RawReviews
from data_prep.summary import Summary
from symcere_jax.data import schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.text.encoder import Reviews, TextEncoder, TextFeatures
from symcere_jax.text.lsa import LsaEncoder

Announce = Callable[[str], None]


def prepare(
    config: PrepareConfig,
    *,
    encoder: TextEncoder | None = None,
    announce: Announce = lambda stage: None,
) -> Summary:
    """Reads, cleans, filters, splits and encodes reviews, and writes the prepared folder.

    Args:
        config: the settings.
        encoder: instead of the one that the settings name.
        announce: called with a few words at the start of each stage.

    Raises:
        ConfigError: the settings contradict what is at the output.
        DataError: the raw data is missing or malformed, or nothing of it is left.
    """
    start = time.monotonic()
    if config.source not in SOURCES:
        known = ", ".join(SOURCES)
        raise ConfigError(f"--source is {config.source!r}, must be one of {known}")
    writing.check_output(config.output, overwrite=config.overwrite, source=config.input)
    if encoder is None and config.text_encoder == "lsa":
        encoder = LsaEncoder(width=config.text_width, seed=config.seed)

    announce(f"reading {config.input or 'generated reviews'}")
    raw = SOURCES[config.source](config)
    announce(f"cleaning and filtering {raw.n_read:,} rows")
    cleaning.check_ids(raw.table, raw.origin)
    cleaning.check_ratings(raw.table, config.min_valid_rating, config.max_valid_rating, raw.origin)
    selection = select(raw, config.k_core)
    # Split first: all that follows may learn from training reviews only.
    policy, split = split_reviews(raw, selection, config)
    reviews = review_table(raw, selection, split)

    features = None
    if encoder is not None:
        announce(f"encoding {len(reviews):,} texts by {encoder.name}")
        features = encode(reviews, split == splitting.TRAIN, selection, encoder, announce)
    announce(f"writing {config.output}")
    with writing.new_folder(config.output) as folder:
        writing.write_ids(folder / schema.USERS, "user", "user_id", selection.user_ids)
        writing.write_ids(folder / schema.ITEMS, "item", "item_id", selection.item_ids)
        writing.write_reviews(folder / schema.REVIEWS, reviews)
        pairs = np.stack([selection.user, selection.item], axis=1)
        n_interactions = writing.write_pairs(folder, pairs, split)
        text_encoders = {}
        if encoder is not None and features is not None:
            writing.write_text(folder, encoder.name, features)
            text_encoders[encoder.name] = {
                **features.settings,
                "width": features.reviews.shape[1],
                "dtype": str(features.reviews.dtype),
            }
        schema.Manifest(
            name=config.name or config.output.resolve().name,
            n_users=len(selection.user_ids),
            n_items=len(selection.item_ids),
            n_reviews=len(reviews),
            n_interactions=n_interactions,
            k_core=config.k_core,
            split=_split_settings(policy, config),
            source=_source_settings(raw, config),
            dropped=selection.dropped,
            text_encoders=text_encoders,
            files=writing.file_entries(folder),
        ).write(folder)
    return _summary(raw, selection, reviews, split, policy, config, start)


def split_reviews(
    raw: RawReviews, selection: Selection, config: PrepareConfig
) -> tuple[str, np.ndarray]:
    """Splits the reviews by the policy asked for, or by the one that the data suggests.

    With a predefined split, the k-core has been taken over the rows of all splits together.

    Returns:
        The policy, and int8 `[n]`, an index into `schema.SPLITS`.

    Raises:
        DataError: the policy needs timestamps or split names that rows lack, or no review is in
            train.
    """
    column = raw.table["split"]
    carries_split = column.null_count < len(column)
    policy = config.split or ("predefined" if carries_split else "ratio")
    if policy == "predefined":
        split = cleaning.split_codes(raw.table, raw.origin)[selection.row]
        if not (split == splitting.TRAIN).any():
            raise DataError(
                f"none of the {len(split):,} reviews is in split 'train'; --split=ratio splits anew"
            )
        return policy, split
    timestamp = None
    missing = raw.table["timestamp"].is_null().to_numpy()[selection.row]
    if policy == "temporal" or (policy == "leave_one_out" and not missing.all()):
        cleaning.check_timestamps(missing, policy, selection.row, raw.origin)
        timestamp = raw.table["timestamp"].fill_null(NO_TIME).to_numpy()[selection.row]
    if policy == "leave_one_out":
        return policy, splitting.split_leave_one_out(selection.user, timestamp, seed=config.seed)
    return policy, splitting.split_by_ratio(
        selection.user,
        timestamp,
        valid_share=config.valid_share,
        test_share=config.test_share,
        seed=config.seed,
    )


def review_table(raw: RawReviews, selection: Selection, split: np.ndarray) -> pa.Table:
    """The reviews as the prepared folder holds them, in the order of the selection."""
    kept = raw.table.select(["rating", "timestamp", "text"]).take(pa.array(selection.row))
    return pa.table(
        {
            "user": selection.user,
            "item": selection.item,
            "rating": kept["rating"].cast(pa.float32(), safe=False),
            "timestamp": kept["timestamp"],
            "split": pa.array(schema.SPLITS).take(pa.array(split)),
            "text": kept["text"].fill_null(""),
        }
    )


def encode(
    reviews: pa.Table,
    is_train: np.ndarray,
    selection: Selection,
    encoder: TextEncoder,
    announce: Announce,
) -> TextFeatures:
    """Encodes the texts; the encoder is told which reviews it may learn from."""
    return encoder.encode(
        Reviews(
            texts=reviews["text"].to_pylist(),
            user=selection.user,
            item=selection.item,
            is_train=is_train,
            n_users=len(selection.user_ids),
            n_items=len(selection.item_ids),
        ),
        progress=lambda stage: announce(f"{encoder.name}: {stage}"),
    )


def _split_settings(policy: str, config: PrepareConfig) -> dict[str, object]:
    settings: dict[str, object] = {"policy": policy}
    if policy != "predefined":
        settings["seed"] = config.seed
    if policy in ("ratio", "temporal"):
        settings |= {"valid_share": config.valid_share, "test_share": config.test_share}
    return settings


def _source_settings(raw: RawReviews, config: PrepareConfig) -> dict[str, object]:
    # Names within the input, not whole paths: a folder must not depend on where it was made.
    root = config.input if config.input is not None and config.input.is_dir() else None
    files = [
        {"name": str(path.relative_to(root)) if root else path.name} | schema.file_entry(path)
        for path in raw.files
    ]
    return {"kind": config.source, "options": raw.options, "files": files}


def _summary(
    raw: RawReviews,
    selection: Selection,
    reviews: pa.Table,
    split: np.ndarray,
    policy: str,
    config: PrepareConfig,
    start: float,
) -> Summary:
    train = split == splitting.TRAIN
    # Faster than Arrow's regular expressions, and without a list of all words.
    n_words = sum(len(text.as_py().split()) for text in reviews["text"])
    return Summary(
        name=config.name or config.output.resolve().name,
        output=config.output,
        n_read=raw.n_read,
        dropped=selection.dropped,
        n_users=len(selection.user_ids),
        n_items=len(selection.item_ids),
        n_reviews=len(reviews),
        n_interactions={name: int((split == i).sum()) for i, name in enumerate(schema.SPLITS)},
        split=policy,
        n_empty_texts=pc.sum(pc.equal(pc.utf8_trim_whitespace(reviews["text"]), "")).as_py(),
        words_per_review=n_words / len(reviews),
        n_cold_users=len(selection.user_ids) - len(np.unique(selection.user[train])),
        n_cold_items=len(selection.item_ids) - len(np.unique(selection.item[train])),
        seconds=time.monotonic() - start,
    )
