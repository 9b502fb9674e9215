r"""Measures prepare.py: time and peak memory, on real files and on generated ones.

The results table of docs/data.md, each row prepared anew and read from its manifest:

  python -m benchmarks.speed.preparing --update=docs/data.md --generate=1000000 \
    --data='tripadvisor: --flagfile=configs/prepare/tripadvisor.flags --input=raw/lara.tar.xz' \
    --data='magazines: --source=amazon_2018 --input=raw/Magazine_Subscriptions_5.json.gz --k_core=5'
"""

import shlex
import shutil
import tempfile
from pathlib import Path

import duckdb
import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.data.schema import Manifest
from symcere_jax.errors import ConfigError

_DATA = flags.DEFINE_multi_string("data", [], "a data set, as 'NAME: FLAGS OF prepare.py'")
_GENERATE = flags.DEFINE_multi_integer("generate", [], "prepare that many generated reviews")
_FLAGS = flags.DEFINE_string(
    "generated_flags",
    "--text_encoder=none --k_core=5 --memory=2GiB",
    "flags of prepare.py for generated reviews",
)
_SCRATCH = flags.DEFINE_string("scratch", None, "folder for large files; default: a temporary one")


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
    tables.publish(tables.markdown(rows), "data_prep")


def prepare(name: str, arguments: list[str], output: Path) -> dict[str, str]:
    """Prepares a data set; returns its row of the table."""
    used = binaries.run("data_prep/prepare.py", *arguments, f"--output={output}")
    manifest = Manifest.read(output)
    shutil.rmtree(output)
    density = manifest.n_reviews / (manifest.n_users * manifest.n_items)
    words = manifest.statistics["words"] / manifest.n_reviews
    return {
        "data set": name,
        "raw rows": f"{manifest.statistics['raw_rows']:,}",
        "kept rows": f"{manifest.n_reviews:,}",
        "users": f"{manifest.n_users:,}",
        "items": f"{manifest.n_items:,}",
        "density": f"{density:.3%}",
        "words a review": f"{words:.1f}",
        "seconds": f"{used.seconds:.1f}",
        "peak memory": f"{used.peak / 2**30:.2f} GiB",
    }


def write_reviews(path: Path, n_reviews: int) -> int:
    """Writes generated reviews in the format of Amazon 2018; returns the size of the file.

    Some reviews are of the same pair of user and item.
    """
    rng = np.random.default_rng(0)
    words = [
        "".join(rng.choice(list("aeioubcdfglmnprst"), size=n)) for n in rng.integers(2, 12, 5000)
    ]
    babble = " ".join(rng.choice(np.array(words), size=10_000))
    duckdb.execute(
        """copy (
            select 'A' || (random() ** 2 * $n / 12)::int as reviewerID,
                'B' || (random() ** 2 * $n / 60)::int as asin,
                ceil(5 * random()) as overall,
                substr($babble, (6e4 * random())::int, (100 - 300 * ln(random()))::int)
                    as reviewText,
                (1.3e9 + 2e8 * random())::int as unixReviewTime
            from range($n)
        ) to $path (format json)""",
        {"n": n_reviews, "babble": babble, "path": str(path)},
    )
    return path.stat().st_size


if __name__ == "__main__":
    startup.run(main)
