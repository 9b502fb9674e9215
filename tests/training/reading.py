"""One of two processes that read a prepared folder together; prints what it finds, as JSON.

    reading.py PORT INDEX BLOCK_BYTES ORIGINAL SHARE DAMAGED

ORIGINAL is read by both; SHARE, a folder of this process, has what the other is to read zeroed;
DAMAGED, another one, is a whole copy to begin with.
"""

import collections
import errno
import io
import json
import sys
from pathlib import Path

import jax
import numpy as np

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.training.processes import SharedReader

SPLITS, FEATURES = ("train", "valid", "test"), ("users", "items", "reviews")


COUNTS = collections.Counter()  # bytes that were read of each file


class CountedFile(io.FileIO):
    def readinto(self, buffer):
        n_bytes = super().readinto(buffer)
        COUNTS[Path(self.name).name] += n_bytes
        return n_bytes


class CountedPath(type(Path())):
    def open(self, mode, buffering):
        assert (mode, buffering) == ("rb", 0)
        return CountedFile(str(self))


class Counting(SharedReader):
    def blocks(self, path):
        return super().blocks(CountedPath(path))


class Failing(SharedReader):
    """Of a file, process 1 cannot read its second block."""

    def blocks(self, path):
        blocks = super().blocks(path)
        if path.name != "train.npy" or jax.process_index() == 0:
            return blocks

        class FailingPath(type(path)):
            opened = 0

            def open(self, *arguments, **settings):
                FailingPath.opened += 1
                if FailingPath.opened == 2:
                    raise OSError(errno.EIO, "nobody sees this text")
                return super().open(*arguments, **settings)

        return super().blocks(FailingPath(path))


def arrays(dataset):
    features = [dataset.text_features("lsa", rows) for rows in FEATURES]
    return [*map(dataset.interactions, SPLITS), *features]


def message(call):
    try:
        call()
    except DataError as error:
        return str(error)
    return None


def main():
    port, index, block_bytes, original, share, damaged = sys.argv[1:]
    index, block_bytes = int(index), int(block_bytes)
    original, share, damaged = map(Path, (original, share, damaged))
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"localhost:{port}", 2, index)
    reader = SharedReader(block_bytes)

    alone = ReviewDataset.load(original)
    together = ReviewDataset.load(original, Counting(block_bytes))
    pairs = list(zip(arrays(together), arrays(alone), strict=True))
    found = {
        "equal": [np.array_equal(one, other) and one.dtype == other.dtype for one, other in pairs],
        "positive": np.array_equal(together.is_positive(4), alone.is_positive(4)),
        "counts": COUNTS,
    }
    shared = arrays(ReviewDataset.load(share, reader))
    found["shares"] = [
        np.array_equal(one, other) for one, (_, other) in zip(shared, pairs, strict=True)
    ]
    found["default"] = np.array_equal(
        ReviewDataset.load(original, SharedReader()), alone.train
    )

    def load(own=damaged):
        return ReviewDataset.load(own, reader)

    errors = found["errors"] = {}
    errors["unreadable"] = message(lambda: ReviewDataset.load(original, Failing(block_bytes)))
    dataset = load()
    before = dataset.reviews(["user"])
    if index == 1:  # once both have checked it
        (damaged / schema.REVIEWS).write_bytes(b"no table")
    errors["table"] = message(lambda: dataset.reviews(["user"]))
    errors["sizes"] = message(lambda: list(reader.blocks(damaged / schema.REVIEWS)))
    errors["cut off"] = message(load)
    if index == 1:
        (damaged / schema.REVIEWS).write_bytes((original / schema.REVIEWS).read_bytes())
    assert dataset.reviews(["user"]) == before
    if index == 1:
        content = bytearray((damaged / "train.npy").read_bytes())
        content[block_bytes + 1] ^= 1
        (damaged / "train.npy").write_bytes(content)
    errors["damaged"] = message(load)
    manifest = (damaged / schema.MANIFEST).read_text(encoding="utf-8")
    if index == 1:
        manifest = schema.Manifest.read(damaged)
        object.__setattr__(manifest, "name", manifest.name.upper())
        manifest.write(damaged)
    errors["manifest"] = message(load)
    errors["absent"] = message(lambda: load(damaged / "absent" if index else damaged))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
