r"""Measures prepare.py: time and peak memory, on real files and on generated ones.

The results table of docs/data.md, each row prepared anew and read from its manifest:

  python -m benchmarks.speed.preparing --update=docs/data.md --generate=1000000 \
    --data='tripadvisor: --flagfile=configs/prepare/tripadvisor.flags --input=raw/lara.tar.xz' \
    --data='magazines: --source=amazon_2018 --input=raw/Magazine_Subscriptions_5.json.gz --k_core=5'
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.data.schema import Manifest
from symcere_jax.errors import ConfigError, DataError

_DATA = flags.DEFINE_multi_string("data", [], "a data set, as 'NAME: FLAGS OF prepare.py'")
_GENERATE = flags.DEFINE_multi_integer("generate", [], "prepare that many generated reviews")
_FLAGS = flags.DEFINE_string(
    "generated_flags",
    "--text_encoder=none --k_core=5 --memory=2GiB",
    "flags of prepare.py for generated reviews",
)
_SCRATCH = flags.DEFINE_string("scratch", None, "folder for large files; default: a temporary one")

HEADER = ["data set", "raw rows", "kept rows", "users", "items", "density", "words a review"]
HEADER += ["seconds", "peak memory"]


def main() -> None:
    """Measures what the flags ask for, and shows the table."""
    if not (_DATA.value or _GENERATE.value):
        raise ConfigError("nothing to measure: give --data or --generate")
    rows = []
    with tempfile.TemporaryDirectory(dir=_SCRATCH.value) as folder:
        output = Path(folder) / "prepared"
        for data_set in _DATA.value:
            name, _, arguments = data_set.partition(": ")
            rows.append(prepare(name, shlex.split(arguments), output))
        for n_reviews in _GENERATE.value:
            source = Path(folder) / "generated.json"
            n_bytes = write_reviews(source, n_reviews)
            arguments = [f"--input={source}", "--source=amazon_2018", *shlex.split(_FLAGS.value)]
            rows.append(prepare(f"generated, {n_bytes / 1e9:.1f} GB", arguments, output))
    tables.publish(tables.markdown(HEADER, rows), "data_prep")


def prepare(name: str, arguments: list[str], output: Path) -> list[str]:
    """Prepares a data set; returns its row of the table."""
    program = str(binaries.ROOT / "data_prep" / "prepare.py")
    seconds, peak = measure([sys.executable, program, *arguments, f"--output={output}"])
    manifest = Manifest.read(output)
    shutil.rmtree(output)
    density = manifest.n_reviews / (manifest.n_users * manifest.n_items)
    words = manifest.statistics["words"] / manifest.n_reviews
    return [
        name,
        f"{manifest.statistics['raw_rows']:,}",
        f"{manifest.n_reviews:,}",
        f"{manifest.n_users:,}",
        f"{manifest.n_items:,}",
        f"{density:.3%}",
        f"{words:.1f}",
        f"{seconds:.1f}",
        f"{peak / 2**30:.2f} GiB",
    ]


def measure(command: list[str]) -> tuple[float, int]:
    """Runs a program; returns its seconds and the most bytes it held in memory."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=sys.stderr, env=binaries.environment())
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise DataError(f"{shlex.join(command[:4])} … failed")
    return time.monotonic() - start, usage.ru_maxrss * 1024


def write_reviews(path: Path, n_reviews: int) -> int:
    """Writes generated reviews in the format of Amazon 2018; returns the size of the file.

    One in fifty reviews a pair for the second time.
    """
    rng = np.random.default_rng(0)
    vocabulary = ["".join(rng.choice(list("aeioubcdfglmnprst"), size=n)) for n in range(2, 12)] * 50
    vocabulary = [f"{word}{place % 97:x}" for place, word in enumerate(vocabulary)]
    words = rng.choice(np.array(vocabulary), size=200_000)
    babble = " ".join(words.tolist())
    n_users, n_items = max(1, n_reviews // 12), max(1, n_reviews // 60)
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, n_reviews, 100_000):
            n = min(100_000, n_reviews - start)
            user = (n_users * rng.random(n) ** 2).astype(np.int64).tolist()
            item = (n_items * rng.random(n) ** 2).astype(np.int64).tolist()
            again = rng.random(n) < 0.02
            begin = rng.integers(0, len(babble) - 2000, size=n).tolist()
            length = (100 + rng.gamma(1.5, 200, size=n)).clip(max=1900).astype(int).tolist()
            rating = rng.integers(1, 6, size=n).tolist()
            second = rng.integers(1_300_000_000, 1_500_000_000, size=n).tolist()
            lines = []
            for row in range(n):
                who = row - 1 if row and again[row] else row
                text = babble[begin[row] : begin[row] + length[row]]
                lines.append(
                    f'{{"overall": {rating[row]}.0, "verified": true, "reviewerID": '
                    f'"A{user[who]:012}", "asin": "B{item[who]:09}", "reviewText": "{text}", '
                    f'"summary": "{text[:20]}", "unixReviewTime": {second[row]}}}\n'
                )
            written += file.write("".join(lines))
    return written


if __name__ == "__main__":
    startup.run(main)
