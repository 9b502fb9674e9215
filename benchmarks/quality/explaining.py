r"""How well words of facts are told from words of sentiment where the truth is known.

  python -m benchmarks.quality.explaining --workdir=runs/planted --seeds=1 --reviews=40 \
    --update=docs/explaining.md

On generated reviews, with and without the cross-modal loss, and with text features that leave out
frequent words or keep them. Runs that are complete are not repeated. A seed takes ten minutes.
"""

import json
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.text import LsaEncoder

_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_REVIEWS = flags.DEFINE_integer("reviews", 100, "reviews to explain", lower_bound=2)

# Graph embeddings that learn ten times faster: at the default their share of a score is tiny.
RUNS = {
    name: ["--embedding_learning_rate=1e-4", "--epochs=10", f"--cross_modal_weight={weight}"]
    for name, weight in (("graph_learns", 1), ("graph_learns_no_cross_modal", 0))
}


def explain(share: float, seed: int) -> list[dict]:
    """Generates reviews, trains and explains, unless that is done; what anchoring.json says."""
    folder = Path(_WORKDIR.value) / f"share_{share}" / f"seed_{seed}"
    data, output = folder / "data", folder / "anchoring"
    if not data.exists():
        settings = PrepareSettings(source="synthetic", output=data, seed=seed)
        prepare(settings, encoder=LsaEncoder(width=64, max_item_share=share))
    for name, changes in RUNS.items():
        binaries.train_and_score(folder / name, data, *changes, f"--seed={seed}")
    if not output.exists():
        binaries.run(
            "launch/anchoring.py",
            *(f"--dataset={data}", f"--runs={','.join(str(folder / name) for name in RUNS)}"),
            *(f"--output={output}", f"--reviews={_REVIEWS.value}", f"--seed={seed}"),
        )
    return json.loads((output / "anchoring.json").read_text())["models"]


def main() -> None:
    """Makes the table."""
    rows = []
    for share, title in ((0.5, "LSA, as by default"), (1.0, "LSA, with words that all items have")):
        seeds = [explain(share, seed) for seed in range(_SEEDS.value)]
        for models in zip(*seeds, strict=True):
            gap = 100 * np.mean([model["gap"]["difference"] for model in models])
            row = {"text features": title, "model": models[0]["name"]}
            row["AUC ± over seeds"] = tables.mean_and_spread([model["auc"] for model in models], 3)
            rows.append(row | {"gap, points": f"{gap:+.1f}"})
    tables.publish(tables.markdown(rows, 2), "planted")


if __name__ == "__main__":
    startup.run(main)
