r"""Would SymCERE gain from a second opinion? Its scores, blended with those of other recommenders.

  python benchmarks/blends.py --datasets=data/tripadvisor,data/gift_cards,data/magazines \
    --workdir=runs/results --seeds=3 --update=docs/quality.md

Reads what benchmarks/results.py left in WORKDIR: SymCERE's runs with the defaults and the settings
that each baseline was tuned to. Scores of both are brought to the same standard deviation over a
sample of users, the baseline's weight is the one of WEIGHTS that is best on the validation split,
and that blend is scored on the test split, once.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tables
from absl import flags

from launch import cli
from symcere_jax.baselines import METHODS, Record, Scorer
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, HeldOutSplit, ScoreBlock, evaluate
from symcere_jax.models import score_block
from symcere_jax.training import load_embeddings

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "of benchmarks/results.py", required=True)
_METHODS = flags.DEFINE_list(
    "methods", ["popularity", "item_knn", "tfidf_knn", "ease", "ials"], "baselines to blend with"
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "trainings of SymCERE, from seed 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")

WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # of the baseline
SAMPLED_USERS = 256  # for the standard deviation of scores


def spread(model: Scorer, n_users: int) -> float:
    """Standard deviation over items of a model's scores, averaged over a sample of users."""
    users = np.random.default_rng(0).permutation(n_users)[:SAMPLED_USERS]
    scores = np.asarray(model.score_block(model.params, jnp.asarray(users, jnp.int32)))
    return float(scores.std(axis=1).mean())


@dataclasses.dataclass(frozen=True)
class Blend:
    """Trainings of SymCERE, and a baseline whose scores are added to theirs.

    Attributes:
        dataset: what they are fitted to.
        models: SymCERE, one a seed.
        baseline: fitted.
    """

    dataset: ReviewDataset
    models: list[Scorer]
    baseline: Scorer

    def ndcg(self, split: HeldOutSplit, weight: float) -> float:
        """Mean over the seeds, the baseline's scores taken that many times."""
        unit = spread(self.baseline, self.dataset.n_users)
        score = _blended(self.baseline.score_block)
        values = []
        for model in self.models:
            factor = jnp.float32(weight * spread(model, self.dataset.n_users) / unit)
            params = (model.params, self.baseline.params, factor)
            values.append(
                evaluate(score, params, self.dataset, split, ks=(10,)).metrics[PRIMARY_METRIC]
            )
        return float(np.mean(values))


@functools.lru_cache
def _blended(of_baseline: ScoreBlock) -> ScoreBlock:
    """Scores of SymCERE plus weighted ones of a baseline; both, and the weight, in `params`."""

    def blend(params: tuple, users: jax.Array) -> jax.Array:
        embeddings, of_other, weight = params
        return score_block(embeddings, users) + weight * of_baseline(of_other, users)

    return blend


def rows(dataset: ReviewDataset, workdir: Path) -> Iterator[list[str]]:
    """The cells of a row for each baseline."""
    models = [
        Scorer(score_block, load_embeddings(workdir / "symcere" / f"seed_{seed}", dataset)[0])
        for seed in range(_SEEDS.value)
    ]
    for name in _METHODS.value:
        method = METHODS[name]
        settings = Record.read(workdir / "baselines" / name, name, dataset).best.settings
        baseline = method.fit(dataset, method.settings(**settings), 0)
        blend = Blend(dataset, models, baseline)
        on_valid = {weight: blend.ndcg("valid", weight) for weight in WEIGHTS}
        chosen = max(on_valid, key=lambda weight: on_valid[weight])
        scores = [on_valid[0.0], on_valid[chosen], blend.ndcg("test", 0.0)]
        scores.append(blend.ndcg("test", chosen))
        yield [dataset.name, method.title, f"{chosen:g}", *(f"{score:.4f}" for score in scores)]


def main() -> None:
    """Blends, and shows the table."""
    header = ["data set", "blended with", "weight", "valid, alone", "valid, blended"]
    header += ["test, alone", "test, blended"]
    body: list[list[str]] = []
    for folder in _DATASETS.value:
        dataset = ReviewDataset.load(folder)
        body += rows(dataset, Path(_WORKDIR.value) / dataset.name)
    text = tables.markdown(header, body, n_words=2)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "blends", text)


if __name__ == "__main__":
    cli.run(main)
