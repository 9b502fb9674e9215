"""A run that starts from the parameters of an earlier one, on data that has grown since."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from symcere_jax import hints
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import CheckpointError, ConfigError
from symcere_jax.models import NODE_PARAMS
from symcere_jax.settings import MODEL_SETTINGS, ResolvedSettings
from symcere_jax.training.checkpoints import Checkpoints, Metadata


def warm_params(
    workdir: str | Path, settings: ResolvedSettings, dataset: ReviewDataset, params: Any
) -> Any:
    """The best parameters of an earlier run, with rows for the users and items that are new.

    Rows of the graph tower follow their users and items; new ones keep their initial values, which
    are tiny, so that new users and items start from their text. All else is copied.

    Raises:
        CheckpointError: the earlier run was on other data, or has no checkpoint.
        ConfigError: its model has other settings.
    """

    def likes(metadata: Metadata) -> dict[str, Any]:
        _check(metadata, settings, dataset, workdir)
        n_nodes = metadata.n_users + metadata.n_items

        def earlier_shape(path: tuple, leaf: jax.Array) -> jax.ShapeDtypeStruct:
            shape = (n_nodes, *leaf.shape[1:]) if path[0].key == NODE_PARAMS else leaf.shape
            return jax.ShapeDtypeStruct(shape, leaf.dtype)

        return {"best": jax.tree_util.tree_map_with_path(earlier_shape, params)}

    metadata, parts = Checkpoints(workdir).read(likes)

    def merge(path: tuple, old: jax.Array, new: jax.Array) -> jax.Array:
        if path[0].key != NODE_PARAMS:
            return old
        users, items = old[: metadata.n_users], old[metadata.n_users :]
        n_users = dataset.n_users
        return jnp.concatenate(
            [users, new[metadata.n_users : n_users], items, new[n_users + metadata.n_items :]]
        )

    return jax.tree_util.tree_map_with_path(merge, parts["best"], params)


def _check(
    metadata: Metadata, settings: ResolvedSettings, dataset: ReviewDataset, workdir: str | Path
) -> None:
    if not dataset.manifest.grew_from(metadata.fingerprint):
        raise CheckpointError(
            f"--warm_start={workdir} was trained on {metadata.dataset!r} (fingerprint "
            f"{metadata.fingerprint}), but {dataset.folder} is not that data with appended "
            f"reviews: append the new reviews with {hints.command('prepare', '--append')}"
        )
    earlier, mine = metadata.settings.as_dict(), settings.as_dict()
    for name in MODEL_SETTINGS:
        if mine[name] != earlier[name]:
            raise ConfigError(
                f"--warm_start={workdir} has --{name}={earlier[name]}, this run has "
                f"{mine[name]}: a warm start needs the same model"
            )
