"""Which reviews a run reads, and in which batches."""

import collections

import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.text.finetuning.reviews import Batches, ReviewTexts
from tests.text.finetuning.small import checkpoint_of
from tests.text.language_models.models import WORDS


def test_reviews_of_a_split_that_have_text(words):
    table = words.reviews(["user", "item", "split", "text"]).to_pylist()
    for split in ("train", "valid"):
        expected = [
            (row["text"], row["item"])
            for row in table
            if row["split"] == split and row["text"].strip()
        ]
        found = ReviewTexts.read(words, split)
        assert list(zip(found.texts.to_pylist(), found.item.tolist(), strict=True)) == expected
        assert len(found) == len(expected) > 20
    assert sum(not row["text"].strip() for row in table) == 1
    assert found.take(np.array([3, 0])) == [expected[3][0], expected[0][0]]
    some = found.select(np.array([3, 0]))
    assert (some.texts.to_pylist(), some.item.tolist()) == (
        [expected[3][0], expected[0][0]],
        [expected[3][1], expected[0][1]],
    )


@pytest.fixture(scope="module")
def checkpoint(bert):
    return checkpoint_of(bert[0])


# Reviews that their first word tells apart: the tokens of each name it.
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ITEM = np.repeat(np.arange(9), [1, 2, 3, 1, 4, 5, 0, 6, 4]).astype(np.int32)


def _reviews(longest=6, seed=0):
    rng = np.random.default_rng(seed)
    texts = [
        " ".join([f"{('red', 'lens')[n // 26]}{LETTERS[n % 26]}", *["tent"] * n_more])
        for n, n_more in enumerate(rng.integers(0, longest, len(ITEM)))
    ]
    return ReviewTexts(pa.chunked_array([texts[:10], texts[10:]]), ITEM)


def _batches(checkpoint, *, in_pairs, reviews=None, batch_size=4, max_length=30, seed=0):
    return Batches(
        reviews or _reviews(), checkpoint, batch_size=batch_size, max_length=max_length, seed=seed,
        in_pairs=in_pairs,
    )  # fmt: skip


def _texts(checkpoint, batch, view):
    """Token numbers of each text of a batch, without padding, and nothing in the padding."""
    for row, length in zip(batch.tokens[view], batch.lengths[view], strict=True):
        assert not row[length:].any()
    return [
        tuple(row[:length].tolist())
        for row, length in zip(batch.tokens[view], batch.lengths[view], strict=True)
    ]


@pytest.mark.parametrize("in_pairs", [True, False])
def test_each_review_comes_once_an_epoch_with_another_one_of_its_item(checkpoint, in_pairs):
    reviews = _reviews()
    batches = _batches(checkpoint, in_pairs=in_pairs)
    tokens = [tuple(row) for row in checkpoint.chunks(reviews.texts.to_pylist()).tokens]
    item_of = dict(zip(tokens, ITEM.tolist(), strict=True))
    assert len(item_of) == len(ITEM)
    counts = np.bincount(ITEM)
    used = [t for t in tokens if counts[item_of[t]] > 1] if in_pairs else tokens
    assert batches.n_items == (6 if in_pairs else 8)
    assert batches.per_epoch == -(-len(used) // 4)
    orders, partners = set(), collections.defaultdict(set)
    for epoch in range(60):
        made = list(batches.epoch(epoch))
        assert len(made) == batches.per_epoch
        first = [text for batch in made for text in _texts(checkpoint, batch, 0)]
        items = [item for batch in made for item in batch.item.tolist()]
        assert [item_of[text] for text in first] == items
        seen = collections.Counter(first)
        assert seen.keys() == set(used)
        assert sum(seen.values()) == 4 * batches.per_epoch and max(seen.values()) <= 2
        orders.add(tuple(first))
        if in_pairs:
            second = [text for batch in made for text in _texts(checkpoint, batch, 1)]
            assert [item_of[text] for text in second] == items
            for one, other in zip(first, second, strict=True):
                assert one != other
                partners[one].add(other)
    assert len(orders) == 60
    for text, others in partners.items():  # any other review of the item, in the long run
        assert len(others) == counts[item_of[text]] - 1


def test_an_epoch_follows_from_seed_and_number_and_can_be_entered_anywhere(checkpoint):
    def content(made):
        return [(b.tokens.tobytes(), b.lengths.tobytes(), b.item.tobytes()) for b in made]

    reviews = _reviews()
    many = ReviewTexts(pa.chunked_array(reviews.texts.chunks * 6), np.tile(ITEM, 6))
    batches = _batches(checkpoint, in_pairs=True, reviews=many)
    whole = content(batches.epoch(2))
    assert len(whole) == batches.per_epoch == 39  # of three blocks, the last of them shorter
    for skip in (0, 1, 16, 17, 38, 39):
        again = _batches(checkpoint, in_pairs=True, reviews=many)
        assert content(again.epoch(2, skip=skip)) == whole[skip:]
    other = _batches(checkpoint, in_pairs=True, reviews=many, seed=1)
    assert content(other.epoch(2)) != whole != content(batches.epoch(3))


def test_batches_hold_texts_of_similar_length(checkpoint):
    reviews = _reviews(longest=36)
    many = ReviewTexts(pa.chunked_array(reviews.texts.chunks * 2), np.tile(ITEM, 2))
    made = list(_batches(checkpoint, in_pairs=False, reviews=many, max_length=40).epoch(0))
    longest = sorted(int(batch.lengths.max()) for batch in made)
    shortest = sorted(int(batch.lengths.min()) for batch in made)
    assert all(low >= high for low, high in zip(shortest[1:], longest[:-1], strict=True))
    assert longest[0] < 12 and longest[-1] > 30
    for batch in made:
        assert batch.tokens.shape[2] == min(-(-batch.lengths.max() // 16) * 16, 40)


def test_a_long_review_is_read_in_parts_all_of_which_come_up(checkpoint):
    long = " ".join(WORDS * 2)
    reviews = ReviewTexts(pa.chunked_array([[long, "city"]]), np.array([0, 1], np.int32))
    batches = _batches(checkpoint, in_pairs=False, reviews=reviews, batch_size=2, max_length=8)
    expected = {tuple(tokens) for tokens in checkpoint.chunks([long], window=8).tokens}
    found = set()
    for epoch in range(40):
        for batch in batches.epoch(epoch):
            found |= set(_texts(checkpoint, batch, 0))
    assert found == expected | {tuple(checkpoint.chunks(["city"]).tokens[0])}
    assert max(map(len, found)) <= 8 and len(expected) == 5
