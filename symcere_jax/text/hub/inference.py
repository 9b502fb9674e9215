"""Encodes many texts on all local devices."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.text.hub.batching import TokenBatch, batches, tokenize
from symcere_jax.text.hub.checkpoint import Checkpoint
from symcere_jax.text.hub.pooling import pool

_IN_FLIGHT = 2  # batches on the devices while the host prepares others


class SentenceEncoder:
    """Vectors of texts by a language model.

    Args:
        folder: of the model, as `model_folder` returns it.
        bfloat16: as in `TransformerEncoder`, like the other arguments.
        prefix: precedes each text; None: the one in the folder.
        tokens_per_device: most tokens of a batch on a device; 0: 2,048 on a CPU, where a batch then
            fits in the cache, else 65,536.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bfloat16: bool = False,
        prefix: str | None = None,
        tokens_per_device: int = 0,
    ) -> None:
        self._checkpoint = checkpoint = Checkpoint.open(folder, bfloat16=bfloat16)
        self._prefix = prefix
        is_cpu = jax.default_backend() == "cpu"
        self._tokens_per_device = tokens_per_device or (2048 if is_cpu else 65536)

        def encode(parameters: Any, tokens: jax.Array, lengths: jax.Array) -> jax.Array:
            hidden = checkpoint.module.apply({"params": parameters}, tokens, lengths)
            return pool(cast(jax.Array, hidden), lengths, checkpoint.sentence.pooling)

        copy = jax.pmap(lambda _, tree: tree, in_axes=(0, None))
        self._parameters = copy(np.arange(jax.local_device_count()), checkpoint.parameters)
        self._encode = jax.pmap(encode)

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return self._checkpoint.module.settings.width

    def encode_as_done(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Encodes texts batch by batch, the longest first.

        A text longer than the window is encoded in chunks c of n_c tokens and vectors v_c; its
        vector is `Σ n_c v_c`, divided by its norm. Blank texts get 0. Results do not depend on the
        other texts, except for rounding.

        Yields:
            Places of the texts that are done, int64 `[m]`, and their vectors, float32 `[m, width]`.
        """
        checkpoint = self._checkpoint
        sentence, window = checkpoint.sentence, checkpoint.window
        chunks = tokenize(
            checkpoint.tokenizer,
            [text.lower() for text in texts] if sentence.lower_case else texts,
            prefix=sentence.prefix if self._prefix is None else self._prefix,
            window=window,
        )
        n_devices = jax.local_device_count()
        planned = batches(
            chunks, tokens_per_device=self._tokens_per_device, n_devices=n_devices, window=window
        )
        lengths = chunks.lengths
        left = np.bincount(chunks.text, minlength=len(texts))  # chunks of each text to come
        empty = np.flatnonzero(left == 0)
        yield empty, np.zeros((len(empty), self.width), np.float32)
        sums: dict[int, np.ndarray] = {}
        for batch, vectors in self._run(planned, n_devices):
            done = []
            for row, vector in zip(batch.rows, vectors, strict=False):
                text = int(chunks.text[row])
                sums[text] = sums.get(text, 0.0) + lengths[row] * vector.astype(float)
                left[text] -= 1
                if not left[text]:
                    done.append(text)
            if done:
                yield np.array(done), unit_rows(np.stack([sums.pop(text) for text in done]))

    def _run(
        self, planned: Iterator[TokenBatch], n_devices: int
    ) -> Iterator[tuple[TokenBatch, np.ndarray]]:
        """Runs batches; the next ones start before the result of one is read."""
        running: deque[tuple[TokenBatch, jax.Array]] = deque()

        def read() -> tuple[TokenBatch, np.ndarray]:
            batch, vectors = running.popleft()
            return batch, np.asarray(vectors).reshape(-1, self.width)

        for batch in planned:
            tokens = batch.tokens.reshape(n_devices, -1, batch.tokens.shape[1])
            lengths = batch.lengths.reshape(n_devices, -1)
            running.append((batch, self._encode(self._parameters, tokens, lengths)))
            if len(running) > _IN_FLIGHT:
                yield read()
        while running:
            yield read()
