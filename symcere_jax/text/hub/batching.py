"""From texts to batches of tokens: long texts in chunks, batches of similar lengths."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Chunks:
    """Texts as token numbers; a text longer than the model's window is several chunks."""

    tokens: list[list[int]]  # of each chunk, with special ones
    text: np.ndarray  # int64 [n_chunks], place of the text of each chunk, ascending

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each chunk, int64 `[n_chunks]`."""
        return np.fromiter(map(len, self.tokens), np.int64, len(self.tokens))


@dataclasses.dataclass(frozen=True)
class TokenBatch:
    """Chunks that run together."""

    rows: np.ndarray  # int64 [n], places of the chunks
    tokens: np.ndarray  # int32 [n_padded, length], 0 after the last token of a chunk
    lengths: np.ndarray  # int32 [n_padded], 0 for rows without a chunk


def tokenize(tokenizer: Any, texts: Sequence[str], *, prefix: str, window: int) -> Chunks:
    """Splits texts into tokens, and texts longer than the window into chunks of similar length.

    Args:
        tokenizer: a fast one of the `transformers` library.
        texts: blank ones have no chunk.
        prefix: precedes each chunk.
        window: most tokens of a chunk, with prefix and special tokens.

    Returns:
        Chunks that start and end between words, unless a word is longer than the window.
    """
    texts = [text if text.strip() else "" for text in texts]
    whole = tokenizer([prefix + text for text in texts], verbose=False)["input_ids"]
    tokens: list[list[int]] = []
    owner: list[int] = []
    n_extra = len(tokenizer(prefix)["input_ids"])
    for place, text_tokens in enumerate(whole):
        if not texts[place]:
            continue
        if len(text_tokens) <= window:
            parts = [text_tokens]
        else:
            pieces = _pieces(tokenizer, texts[place], max(window - n_extra, 1))
            parts = tokenizer(
                [prefix + piece for piece in pieces], truncation=True, max_length=window
            )["input_ids"]
        tokens += parts
        owner += [place] * len(parts)
    return Chunks(tokens, np.array(owner, np.int64))


def _pieces(tokenizer: Any, text: str, size: int) -> list[str]:
    """Cuts a text before words into parts of similar length, of at most `size` tokens."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    starts = [start for start, _ in encoded["offset_mapping"]]
    words = encoded.word_ids()
    n = len(starts)
    is_start = [place == 0 or words[place] != words[place - 1] for place in range(n)]
    n_parts = -(-n // size)
    first, cuts = 0, [0]
    while n - first > size:
        target = first + -(-(n - first) // max(n_parts - len(cuts) + 1, 2))
        stop = min(target, first + size)
        while stop > first + 1 and not is_start[stop]:
            stop -= 1
        if stop == first + 1:  # a word that is longer than the window
            stop = min(first + size, n)
        cuts.append(stop)
        first = stop
    ends = [starts[cut] for cut in cuts[1:]] + [len(text)]
    return [text[starts[cut] : end].strip() for cut, end in zip(cuts, ends, strict=True)]


def padded_length(length: int) -> int:
    """A length rounded up: to multiples of 16 up to 64, of 32 up to 128, of 64 up to 256, …."""
    step = 16
    while length > 4 * step:
        step *= 2
    return -(-length // step) * step


def batches(
    chunks: Chunks, *, tokens_per_device: int, n_devices: int, window: int
) -> Iterator[TokenBatch]:
    """Groups chunks of similar lengths, longest first, so that a lack of memory shows at once.

    There are few shapes, so that few programs are compiled: each length is a `padded_length`, and
    has one number of rows, except in the last batch, which has a power of two per device.

    Args:
        chunks: of all texts.
        tokens_per_device: most tokens of a batch on a device, with padding.
        n_devices: that share a batch.
        window: longest row.
    """
    lengths = chunks.lengths
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        length = min(padded_length(int(lengths[order[start]])), window)
        most = max(1, tokens_per_device // length)
        rows = order[start : start + most * n_devices]
        start += len(rows)
        share = -(-len(rows) // n_devices)
        n_padded = n_devices * min(most, 1 << (share - 1).bit_length())
        tokens = np.zeros((n_padded, length), np.int32)
        for place, row in enumerate(rows):
            tokens[place, : lengths[row]] = chunks.tokens[row]
        row_lengths = np.zeros(n_padded, np.int32)
        row_lengths[: len(rows)] = lengths[rows]
        yield TokenBatch(rows, tokens, row_lengths)
