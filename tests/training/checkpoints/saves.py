"""A small run's saves, and what is read of them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.checkpoints import Metadata, Progress
from symcere_jax.training.step import TrainState, build_optimizer
from tests.training import problem

PROGRESS = Progress(
    step=12,
    best_score=0.1 + 0.2,
    best_step=8,
    epochs_without_gain=1,
    epoch_sums={"loss": 1 / 3, "ranking": 1e-300},
)
EMBEDDINGS = {"users": np.full((3, 2), 0.1, np.float32), "item_bias": np.zeros(4, np.float32)}


def make_state(step: int = 12) -> TrainState:
    """Parameters of several shapes, with the state of the real optimizer after a step."""
    rng = np.random.default_rng(step)
    shapes = {
        "graph_tower": {"embedding": (5, 3)},
        "text_tower": {"projection": {"kernel": (4, 3)}, "log_user_weight": ()},
    }
    draw = lambda shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)  # noqa: E731
    params = jax.tree.map(draw, shapes, is_leaf=lambda x: isinstance(x, tuple))
    optimizer = build_optimizer(settings(), batch_size=256)
    _, opt_state = optimizer.update(params, optimizer.init(params), params)
    average = jax.tree.map(lambda leaf: leaf / 3, params)
    return TrainState(jnp.int32(step), params, opt_state, average)


def settings() -> ResolvedSettings:
    return problem.resolved(learning_rate=0.1 + 0.2, normalize=False)


def described(dataset, **progress) -> Metadata:
    return Metadata(
        settings=settings(),
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        n_users=dataset.n_users,
        n_items=dataset.n_items,
        batch_size=128,
        steps_per_epoch=4,
        progress=dataclasses.replace(PROGRESS, **progress),
    )


def save(checkpoints, dataset, step=12, best_step=8, **options) -> None:
    """A save of a run; what is best at a step follows from it."""
    metadata = described(dataset, step=step, best_step=best_step)
    state, best = make_state(step), make_state(best_step).params
    parts = {"state": state, "best": best, "embeddings": EMBEDDINGS}
    checkpoints.save(parts, metadata, **options)


def restore(checkpoints, like=None):
    """What training resumes from."""
    like = like or make_state()
    metadata, parts = checkpoints.read(
        lambda _: {"state": like, "best": like.params}, delete_damaged=True
    )
    return metadata, parts["state"], parts["best"]


def read(checkpoints, part):
    """One part as it is, by name or like the best parameters."""
    metadata, parts = checkpoints.read(
        lambda _: {part: make_state().params if part == "best" else None}
    )
    return metadata, parts[part]


def assert_equal(restored, expected) -> None:
    assert jax.tree.structure(restored) == jax.tree.structure(expected)
    for leaf, other in zip(jax.tree.leaves(restored), jax.tree.leaves(expected), strict=True):
        assert (leaf.dtype, leaf.shape) == (other.dtype, other.shape)
        assert np.asarray(leaf).tobytes() == np.asarray(other).tobytes()


def damage(folder, part) -> None:
    """Flips a bit of the largest file of a part."""
    path = max(
        (path for path in (folder / part).rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def readers(checkpoints):
    """Every way to read a checkpoint."""
    yield lambda: restore(checkpoints)
    yield from (lambda part=part: read(checkpoints, part) for part in ("best", "embeddings"))
    yield checkpoints.metadata
