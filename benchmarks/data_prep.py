r"""Measures data_prep: time and peak memory, on real files and on generated ones, against pandas.

The results table of docs/data.md, each row prepared anew and read from its manifest:

  python benchmarks/data_prep.py --update=docs/data.md \
    --data='tripadvisor: --flagfile=configs/prepare/tripadvisor.flags --input=raw/lara.tar.xz' \
    --data='magazines: --source=amazon_2018 --input=raw/Magazine_Subscriptions_5.json.gz --k_core=5'

Ten million generated reviews, and a million of them the straightforward way in pandas too:

  python benchmarks/data_prep.py --generate=10000000 --generate=1000000 --pandas=1000000
"""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tables
from absl import flags

from symcere_jax.cli import app as cli
from symcere_jax.data.schema import Manifest
from symcere_jax.errors import ConfigError, DataError

_DATA = flags.DEFINE_multi_string("data", [], "a data set, as 'NAME: FLAGS OF prepare.py'")
_GENERATE = flags.DEFINE_multi_integer("generate", [], "prepare that many generated reviews")
_PANDAS = flags.DEFINE_multi_integer("pandas", [], "prepare that many generated reviews by pandas")
_FLAGS = flags.DEFINE_string(
    "generated_flags",
    "--text_encoder=none --k_core=5 --memory=2GiB",
    "flags of prepare.py for generated reviews",
)
_SCRATCH = flags.DEFINE_string("scratch", None, "folder for large files; default: a temporary one")
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table 'data_prep' is replaced")

_ROOT = Path(__file__).resolve().parents[1]
_HEADER = (
    *("data set", "raw rows", "kept rows", "users", "items", "density", "words a review"),
    *("seconds", "peak memory"),
)

_PANDAS_WAY = """
import sys
import numpy as np
import pandas as pd

source, output, k = sys.argv[1], sys.argv[2], int(sys.argv[3])
fields = ["reviewerID", "asin", "overall", "unixReviewTime", "summary", "reviewText"]
table = pd.read_json(source, lines=True)[fields]
table["text"] = table["summary"] + ". " + table["reviewText"]
table = table.sort_values("unixReviewTime", kind="stable")
table = table.drop_duplicates(["reviewerID", "asin"], keep="last")
while True:
    n_of_user = table.groupby("reviewerID")["asin"].transform("size")
    n_of_item = table.groupby("asin")["asin"].transform("size")
    kept = (n_of_user >= k) & (n_of_item >= k)
    if kept.all():
        break
    table = table[kept]
table["user"] = table["reviewerID"].astype("category").cat.codes
table["item"] = table["asin"].astype("category").cat.codes
table = table.sort_values(["user", "item"])
rng = np.random.default_rng(0)
table["place"] = rng.random(len(table))
rank = table.groupby("user")["place"].rank(method="first")
size = table.groupby("user")["place"].transform("size")
held_out = rank / size
table["split"] = np.select([held_out > 0.8, held_out > 0.7], ["test", "valid"], "train")
columns = ["user", "item", "overall", "unixReviewTime", "split", "text"]
table[columns].to_parquet(output, index=False)
"""


def main() -> None:
    """Measures what the flags ask for, and prints or writes the table."""
    if not (_DATA.value or _GENERATE.value or _PANDAS.value):
        raise ConfigError("nothing to measure: give --data, --generate or --pandas")
    rows = []
    with tempfile.TemporaryDirectory(dir=_SCRATCH.value) as folder:
        scratch = Path(folder)
        for spec in _DATA.value:
            name, _, arguments = spec.partition(": ")
            rows.append(_prepare(name, shlex.split(arguments), scratch))
        for n_reviews in sorted({*_GENERATE.value, *_PANDAS.value}):
            rows += _generated(n_reviews, scratch)
    table = tables.markdown(_HEADER, rows)
    print(table)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "data_prep", table)


def _generated(n_reviews: int, scratch: Path) -> list[list[str]]:
    source = scratch / "generated.json"
    n_bytes = write_reviews(source, n_reviews)
    name = f"generated, {n_bytes / 1e9:.1f} GB"
    rows = []
    seconds = []
    if n_reviews in _GENERATE.value:
        arguments = [f"--input={source}", "--source=amazon_2018", *shlex.split(_FLAGS.value)]
        start = time.monotonic()
        rows.append(_prepare(name, arguments, scratch))
        seconds.append(time.monotonic() - start)
    if n_reviews in _PANDAS.value:
        command = [sys.executable, "-c", _PANDAS_WAY, str(source), str(scratch / "p.parquet"), "5"]
        took, peak = _measure(command)
        seconds.append(took)
        print(f"pandas, {n_reviews:,} reviews: {took:.1f} s, {peak / 2**30:.2f} GiB")
        if len(seconds) == 2:
            print(f"{n_reviews:,} reviews: pandas takes {took / seconds[0]:.2f} times as long")
    source.unlink()
    return rows


def _prepare(name: str, arguments: list[str], scratch: Path) -> list[str]:
    """Prepares a data set; returns its row of the table."""
    output = scratch / "prepared"
    program = _ROOT / "data_prep" / "prepare.py"
    command = [sys.executable, str(program), *arguments, f"--output={output}"]
    seconds, peak = _measure(command)
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


def _measure(command: list[str]) -> tuple[float, int]:
    """Runs a program; returns its seconds and the most bytes it held in memory."""
    watch = (
        "import json, resource, subprocess, sys\n"
        "status = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode\n"
        "print(json.dumps([status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))"
    )
    start = time.monotonic()
    watched = subprocess.run(
        [sys.executable, "-c", watch, *command],
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        check=True,
    )
    seconds = time.monotonic() - start
    status, kibibytes = json.loads(watched.stdout)
    if status:
        raise DataError(f"{shlex.join(command[:4])} … ended with status {status}")
    return seconds, kibibytes * 1024


def write_reviews(path: Path, n_reviews: int, seed: int = 0) -> int:
    """Writes generated reviews in the format of Amazon 2018; returns the size of the file.

    Args:
        path: the file of JSON lines.
        n_reviews: number of rows; one in fifty reviews a pair for the second time.
        seed: of all that is drawn.
    """
    rng = np.random.default_rng(seed)
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
    cli.run(main)
