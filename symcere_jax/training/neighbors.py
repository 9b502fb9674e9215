"""How much neighbours count in the scores of a trained model: chosen once it is trained.

The choice lies in the workdir beside the checkpoints, in `neighbors.json`. It belongs to one best
checkpoint: beside another one it has no effect.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.errors import CheckpointError
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate, standard_error
from symcere_jax.files import write_json
from symcere_jax.models import Embeddings, ItemNeighbors, score_factors
from symcere_jax.models.item_neighbors import MAX_COLUMNS
from symcere_jax.settings import ResolvedSettings

FILE = "neighbors.json"
MAX_ITEMS = 8192  # the cost of their kernel, paid at each start, grows with the square
MAX_VALUES = 2**28  # in the columns of all users: 1 GiB
WEIGHTS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)  # of a neighbour in the units of a cosine
STANDARD_ERRORS = 1.64  # that the gain of the best weight has to exceed


@dataclasses.dataclass(frozen=True)
class NeighborChoice:
    """How much neighbours count beside the best parameters of a run.

    Attributes:
        weight: w, see `models/item_neighbors.py`; 0: they do not count.
        score: on the validation split, with this weight.
        score_without: without neighbours.
    """

    weight: float
    score: float
    score_without: float

    def write(self, workdir: Path, best_step: int) -> None:
        """Writes the choice into the workdir.

        Args:
            workdir: of the run.
            best_step: of the parameters that it belongs to.
        """
        content = {"best_step": best_step} | dataclasses.asdict(self)
        write_json(workdir / FILE, content | {"sha256": _checksum(content)})


def read_weight(workdir: Path, best_step: int) -> float:
    """The weight of neighbours beside the best parameters of a run.

    Args:
        workdir: of the run.
        best_step: of the parameters.

    Returns:
        w; 0 where nothing was chosen for them.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = workdir / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("sha256") != _checksum(content):
            raise ValueError("its checksum is another")
        return float(content["weight"]) if content["best_step"] == best_step else 0.0
    except FileNotFoundError:
        return 0.0
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}): give the command of the training again, which writes it "
            "anew"
        ) from None


def training_items(dataset: ReviewDataset, config: ResolvedSettings) -> Interactions:
    """The positive training items of each user."""
    positive = dataset.train[dataset.is_positive(config.min_rating)]
    return Interactions.from_pairs(positive, dataset.n_users)


def can_count(dataset: ReviewDataset, config: ResolvedSettings) -> bool:
    """Whether neighbours are asked for, and there is a split to choose their weight by."""
    return (
        config.item_neighbors
        and len(dataset.valid) > 0
        and dataset.n_items <= MAX_ITEMS
        and dataset.n_users * min(dataset.n_items, MAX_COLUMNS) <= MAX_VALUES
    )


def choose_weight(
    embeddings: Embeddings,
    temperature: float,
    dataset: ReviewDataset,
    config: ResolvedSettings,
    should_stop: ShouldStop = lambda: False,
) -> NeighborChoice | None:
    """The weight of neighbours that ranks best on validation.

    0, unless that is better by `STANDARD_ERRORS` of the difference, paired over users.

    Args:
        embeddings: of the model, without neighbours.
        temperature: τ of the model.
        dataset: the prepared folder, with a validation split.
        config: resolved settings of the run.
        should_stop: asked before each weight.

    Returns:
        The choice; None if it was told to stop.
    """

    def per_user(params: Embeddings) -> np.ndarray:
        found = evaluate(score_factors, params.factors(), dataset, "valid", ks=(10,))
        return found.per_user[PRIMARY_METRIC]

    without = per_user(embeddings)
    neighbors = ItemNeighbors.fit(np.asarray(embeddings.items), 1.0)
    added = neighbors.added_to(embeddings, training_items(dataset, config))
    found: dict[float, np.ndarray] = {}
    for weight in WEIGHTS:
        if should_stop():
            return None
        scaled = dataclasses.replace(neighbors, weight=weight / temperature)
        params = dataclasses.replace(added, item_neighbors=jnp.asarray(scaled.item_columns))
        found[weight] = per_user(params)
    best = max(found, key=lambda weight: found[weight].mean())
    gains, plain = found[best] - without, float(without.mean())
    if len(gains) < 2 or gains.mean() <= STANDARD_ERRORS * standard_error(gains):
        return NeighborChoice(0.0, plain, plain)
    return NeighborChoice(best, float(found[best].mean()), plain)


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
