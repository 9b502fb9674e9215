"""Checks that nothing held out reaches training, and that the split follows its policy."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.preparation.encode.stored_encoder import StoredEncoder
from symcere_jax.preparation.encode.stored_reviews import stored_reviews
from symcere_jax.preparation.select.outside import held_out_runs, repeats
from symcere_jax.preparation.split.split_settings import SPLIT_POLICIES
from symcere_jax.text import LsaEncoder, PrecomputedEncoder, TextEncoder

_BATCH_ROWS = 1 << 16
# Of the length of a row. Another machine rounds otherwise; a leaked review changes far more.
_TOLERANCE = 1e-2
_LATE = f"""
    WITH spans AS (
        SELECT {{owner}} AS owner, split, list_position({list(schema.SPLITS)}, split) AS place,
            min(timestamp) AS earliest, max(timestamp) AS latest
        FROM reviews GROUP BY ALL
    )
    SELECT DISTINCT a.split, b.split FROM spans a JOIN spans b USING (owner)
    WHERE a.place < b.place AND a.latest {{compare}} b.earliest
"""


def check_held_out_edges(dataset: ReviewDataset) -> Iterator[str]:
    """No held-out pair is an edge of the training graph, and no pair is in two splits."""
    seen = np.zeros(0, np.int64)
    for name in schema.SPLITS:
        users, items = dataset.interactions(name).astype(np.int64).T
        keys = users * dataset.n_items + items
        n_shared = len(np.intersect1d(seen, keys))
        if n_shared:
            yield f"{n_shared} pairs of {schema.pairs_file(name)} are in an earlier split too"
        seen = np.concatenate([seen, keys])


def check_policy(dataset: ReviewDataset) -> Iterator[str]:
    """The split is what its policy says, unless reviews that were appended ended that."""
    policy = dataset.manifest.split.get("policy")
    if policy not in SPLIT_POLICIES:
        yield f"the manifest names an unknown split policy, {policy!r}"
    if not dataset.manifest.ended_split_policy:
        yield from against_policy(dataset)
    least = dataset.manifest.split.get("min_history", 0)
    held_out_users = np.union1d(dataset.valid[:, 0], dataset.test[:, 0])
    history = dataset.user_counts()[held_out_users]
    if len(history) and history.min() < least:
        yield f"a user with held-out reviews has {history.min()} in train, fewer than {least}"


def against_policy(dataset: ReviewDataset) -> Iterator[str]:
    """What is not as the split policy has it, of the reviews that are there now."""
    policy = dataset.manifest.split.get("policy")
    held_out = {"valid": dataset.valid, "test": dataset.test}
    if dataset.manifest.has_cold_split and not dataset.manifest.split.get("warm_share"):
        place = int(policy == "cold_item")
        for name, pairs in held_out.items():
            if len(np.intersect1d(dataset.train[:, place], pairs[:, place])):
                yield f"--split={policy}, but one of {name} has training reviews"
    if policy == "leave_one_out":
        for name, pairs in held_out.items():
            if len(pairs) and np.bincount(pairs[:, 0]).max() > 1:
                yield f"--split=leave_one_out, but a user has two reviews in {name}"
    if policy in ("global_time", "temporal"):
        reviews = dataset.reviews(["user", "timestamp", "split"])
        if reviews["timestamp"].null_count:
            yield "the split is by time, but a review has none"
            return
        # The time line of all is never cut between equal times; that of a user may be.
        owner, compare = ("user", ">") if policy == "temporal" else ("0", ">=")
        for before, after in duckdb.execute(_LATE.format(owner=owner, compare=compare)).fetchall():
            yield f"a review in {before} is later than one in {after}"


def check_near_copies(dataset: ReviewDataset) -> Iterator[str]:
    """No text from outside the k-core has a run of twelve words of a held-out review."""
    manifest = dataset.manifest
    if not any(manifest.statistics.get(name) for name in ("extra_texts", "extra_reviews")):
        return
    n_reviews = np.bincount(dataset.reviews(["user"])["user"], minlength=dataset.n_users)
    held_out: list[str] = []
    outside: list[str] = []
    for batch in dataset.review_batches(_BATCH_ROWS, ["user", "split", "text"]):
        in_train = batch["split"].to_numpy(zero_copy_only=False) == "train"
        is_outside = in_train & (n_reviews[batch["user"].to_numpy()] < manifest.k_core)
        held_out += batch["text"].filter(pa.array(~in_train)).to_pylist()
        outside += batch["text"].filter(pa.array(is_outside)).to_pylist()
    runs = held_out_runs(iter(held_out))
    for batch in dataset.extra_texts(_BATCH_ROWS):
        outside += batch["text"].to_pylist()
    n_copies = sum(repeats(text, runs) for text in outside)
    if n_copies:
        yield f"{n_copies} texts from outside the k-core repeat twelve words of a held-out review"


def check_text_leaks(dataset: ReviewDataset) -> Iterator[str]:
    """No text feature of a user or an item owes anything to a held-out review."""
    for encoder, settings in dataset.manifest.text_encoders.items():
        given = {settings.get("of"), settings.get(PrecomputedEncoder.name, {}).get("of")}
        for place, rows in enumerate(("users", "items")):
            if rows in given:  # vectors of their own, not of reviews
                continue
            features = dataset.text_features(encoder, rows)
            n_reviews = np.bincount(dataset.train[:, place], minlength=len(features))
            if rows == "items":
                n_reviews += dataset.extra_counts()
            n_leaked = int(np.any(features[n_reviews == 0] != 0, axis=1).sum())
            if n_leaked:
                yield f"{encoder}: {n_leaked} {rows} have features, but no training review"
        if settings.get("encoder", encoder) == LsaEncoder.name:
            yield from _check_again(dataset, encoder, dict(settings))


def _check_again(dataset: ReviewDataset, name: str, settings: dict) -> Iterator[str]:
    """Encodes reviews whose held-out texts are erased: what these had added would be missing."""
    for entry in ("dtype", "n_terms", "encoder"):
        settings.pop(entry, None)
    with tempfile.TemporaryDirectory() as folder:
        encoder: TextEncoder
        try:
            encoder = LsaEncoder(**settings, scratch=Path(folder))
            if dataset.manifest.source.get("appended"):  # encoded by what was fitted before
                encoder = StoredEncoder(dataset, name)
        except TypeError as error:
            raise DataError(f"{dataset.folder}: unknown settings of lsa ({error})") from None
        dataset.file(schema.REVIEWS)  # is whole
        with stored_reviews(
            dataset.folder, dataset.n_users, dataset.n_items, Path(folder), erase_held_out=True
        ) as reviews:
            anew = encoder.encode(reviews)
        for rows in ("users", "items"):
            stored = np.asarray(dataset.text_features(name, rows))
            made = getattr(anew, rows)
            distance = np.linalg.norm(stored - made, axis=1)
            n_other = int((distance > _TOLERANCE * (1e-3 + np.linalg.norm(made, axis=1))).sum())
            if n_other:
                yield (
                    f"{name}: features of {n_other} {rows} are not those of the training "
                    "reviews alone"
                )
