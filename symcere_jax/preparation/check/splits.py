"""Checks of the splits of a prepared folder: no held-out pair is in train, the policy holds."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.preparation.select.outside import held_out_runs, repeats
from symcere_jax.preparation.split.split_settings import SPLIT_POLICIES

_BATCH_ROWS = 1 << 16


def check_near_copies(dataset: ReviewDataset) -> Iterator[str]:
    """No text from outside the k-core has a run of twelve words of a held-out review."""
    manifest = dataset.manifest
    if not {"extra_texts", "extra_reviews"} & {k for k, n in manifest.statistics.items() if n}:
        return
    users = np.concatenate([dataset.interactions(name)[:, 0] for name in schema.SPLITS])
    n_reviews = np.bincount(users, minlength=dataset.n_users)
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


def check_held_out_edges(dataset: ReviewDataset) -> Iterator[str]:
    """No held-out pair is an edge of the training graph, and no pair is in two splits."""
    seen = np.zeros(0, np.int64)
    for name in schema.SPLITS:
        pairs = dataset.interactions(name).astype(np.int64)
        keys = pairs[:, 0] * dataset.n_items + pairs[:, 1]
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
    train, valid, test = (dataset.interactions(name) for name in schema.SPLITS)
    if dataset.manifest.has_cold_split and not dataset.manifest.split.get("warm_share"):
        place = int(policy == "cold_item")
        known = set(train[:, place].tolist())
        for name, pairs in (("valid", valid), ("test", test)):
            if known & set(pairs[:, place].tolist()):
                yield f"--split={policy}, but one of {name} has training reviews"
    if policy == "leave_one_out":
        for name, pairs in (("valid", valid), ("test", test)):
            if len(pairs) and np.bincount(pairs[:, 0]).max() > 1:
                yield f"--split=leave_one_out, but a user has two reviews in {name}"
    if policy in ("global_time", "temporal"):
        yield from _check_order_of_time(dataset, by_user=policy == "temporal")


def _check_order_of_time(dataset: ReviewDataset, *, by_user: bool) -> Iterator[str]:
    n = dataset.n_users if by_user else 1
    latest = np.full((len(schema.SPLITS), n), np.iinfo(np.int64).min)
    earliest = np.full((len(schema.SPLITS), n), np.iinfo(np.int64).max)
    for batch in dataset.review_batches(_BATCH_ROWS, ["user", "timestamp", "split"]):
        if batch.column("timestamp").null_count:
            yield "the split goes by time, but a review has none"
            return
        user = batch.column("user").to_numpy() if by_user else np.zeros(len(batch), int)
        time = batch.column("timestamp").to_numpy(zero_copy_only=False).astype(np.int64)
        split = pc.index_in(batch.column("split"), pa.array(schema.SPLITS)).to_numpy()
        np.maximum.at(latest, (split, user), time)
        np.minimum.at(earliest, (split, user), time)
    strictly = not by_user  # the time line of all is never cut between equal times
    for before, after in ((0, 1), (0, 2), (1, 2)):
        wrong = latest[before] > earliest[after] - strictly
        empty = (latest[before] == np.iinfo(np.int64).min) | (
            earliest[after] == np.iinfo(np.int64).max
        )
        if (wrong & ~empty).any():
            yield f"a review in {schema.SPLITS[before]} is later than one in {schema.SPLITS[after]}"
