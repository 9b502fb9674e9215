import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.text.hub.batching import Chunks, batches, padded_length, tokenize
from tests.text.hub.models import WORDS, tokenizer


@given(
    lengths=st.lists(st.integers(1, 64), max_size=60),
    tokens_per_device=st.sampled_from([1, 64, 200, 1000]),
    n_devices=st.integers(1, 4),
)
def test_every_chunk_is_in_one_batch(lengths, tokens_per_device, n_devices):
    rng = np.random.default_rng(0)
    tokens = [rng.integers(1, 99, length).tolist() for length in lengths]
    chunks = Chunks(tokens, np.arange(len(lengths)))
    found = {}
    longest = 64
    for batch in batches(
        chunks, tokens_per_device=tokens_per_device, n_devices=n_devices, window=64
    ):
        n_padded, length = batch.tokens.shape
        assert n_padded % n_devices == 0
        assert n_padded // n_devices == 1 or n_padded // n_devices * length <= tokens_per_device
        assert length <= longest
        longest = length
        assert not batch.lengths[len(batch.rows) :].any()
        for row, numbers, n in zip(batch.rows, batch.tokens, batch.lengths, strict=False):
            assert row not in found
            found[row] = numbers[:n].tolist()
            assert not numbers[n:].any()
    assert found == dict(enumerate(tokens))


@given(st.integers(1, 5000))
def test_padding_is_bounded(length):
    padded = padded_length(length)
    assert length <= padded <= max(length + 15, 1.5 * length)
    assert padded_length(padded) == padded


def test_there_are_few_lengths():
    assert len({padded_length(length) for length in range(1, 513)}) == 10


@pytest.fixture(scope="module")
def words():
    return tokenizer("bert")


def _spelled(words, row):
    return words.decode([token for token in row if token > 3])


def test_texts_within_the_window_are_one_chunk(words):
    chunks = tokenize(words, ["red brake", "", "  ", "hose"], prefix="", window=6)
    assert chunks.text.tolist() == [0, 3]
    assert [_spelled(words, row) for row in chunks.tokens] == ["red brake", "hose"]
    assert all(row[0] == 0 and row[-1] == 2 for row in chunks.tokens)


@given(n=st.integers(0, 60), window=st.integers(5, 12), prefix=st.sampled_from(["", "tent "]))
def test_chunks_hold_all_words_in_order(n, window, prefix):
    words = tokenizer("bert")
    text = [WORDS[number % len(WORDS)] for number in range(n)]
    chunks = tokenize(words, [" ".join(text)], prefix=prefix, window=window)
    found = [_spelled(words, row).removeprefix(prefix).split() for row in chunks.tokens]
    assert [word for part in found for word in part] == text
    assert all(len(row) <= window for row in chunks.tokens)
    sizes = [len(part) for part in found]
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-n // (window - 2 - len(prefix.split())))


def test_a_word_is_cut_only_where_it_is_longer_than_the_window(words):
    # Of one letter after another: "rope" and pieces of a letter each.
    long = "rope" + "abcdefghij"
    chunks = tokenize(words, [f"red {long} tent"], prefix="", window=20)
    assert len(chunks.tokens) == 1
    chunks = tokenize(words, [f"red brake hose {long}"], prefix="", window=14)
    assert [len(row) for row in chunks.tokens] == [5, 13]
    chunks = tokenize(words, [long], prefix="", window=6)
    assert len(chunks.tokens) > 2
    assert all(len(row) <= 6 for row in chunks.tokens)
