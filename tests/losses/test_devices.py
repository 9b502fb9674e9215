"""The losses and their gradients are the same on one device and on eight."""

import numpy as np

# Runs in a process of its own: the number of devices is fixed once JAX has started.
SCRIPT = """
import sys
import jax, jax.numpy as jnp, numpy as np
from symcere_jax.losses import *

n_devices, path = int(sys.argv[1]), sys.argv[2]
assert jax.local_device_count() == n_devices
n_rows, n_items, width = 16, 13, 4
rng = np.random.default_rng(0)
params = [rng.standard_normal((n, width)).astype(np.float32) for n in (n_rows, n_items)]
positives = rng.integers(0, n_items, n_rows).astype(np.int32)
history = np.sort(rng.integers(0, n_items + 1, (n_rows, 3)).astype(np.int32))

def terms(params, users, rows, history):
    table, items = params
    users = table[users]
    gather = lambda x: jax.lax.all_gather(x, "devices", tiled=True)
    columns = jax.lax.axis_index("devices") * len(rows) + jnp.arange(len(rows))
    scores = pair_scores(users, items[rows], 0.3)
    catalog = catalog_sincere_terms(
        scores, users, rows, items, ItemLists.from_rows(history), 0.3, block_size=5)
    def is_excluded(places):
        candidates = gather(rows)[places]
        known = history_mask(candidates, ItemLists.from_rows(history))
        return exclude_from_batch("history", columns, rows, places, candidates, known)
    in_batch = in_batch_sincere_terms(
        scores, users, gather(items[rows]), is_excluded, 0.3, block_size=5)
    cross = cross_modal_terms(
        users, items[rows], gather(users), gather(items[rows]), rows, gather(rows), 0.3,
        block_size=5)
    return [catalog, in_batch, cross]

def step(params, *batch):
    counts = [jax.lax.psum(count, "devices") for _, count in terms(params, *batch)]
    def local(params):
        return sum(total / count for (total, _), count in zip(terms(params, *batch), counts))
    loss, gradients = jax.value_and_grad(local)(params)
    return jax.lax.psum((loss, gradients), "devices")

shard = lambda x: x.reshape(n_devices, -1, *x.shape[1:])
batch = [shard(x) for x in (np.arange(n_rows, dtype=np.int32), positives, history)]
loss, gradients = jax.pmap(step, "devices", in_axes=(None, 0, 0, 0))(params, *batch)
np.savez(path, loss=loss[0], users=gradients[0][0], items=gradients[1][0])
"""


def test_eight_devices_equal_one(run_on_devices, tmp_path):
    paths = [tmp_path / f"{n_devices}.npz" for n_devices in (1, 8)]
    for n_devices, path in zip((1, 8), paths, strict=True):
        run_on_devices(n_devices, SCRIPT, n_devices, path)
    one, eight = (np.load(path) for path in paths)
    for value in ("loss", "users", "items"):
        assert np.abs(one[value]).max() > 0.01
        np.testing.assert_allclose(eight[value], one[value], rtol=1e-5, atol=1e-6)
