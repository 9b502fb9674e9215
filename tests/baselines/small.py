"""A data set small enough for loops, and what loops make of it."""

import math

import jax.numpy as jnp
import numpy as np

from symcere_jax.baselines.graph_models import LightGcn
from symcere_jax.baselines.graph_training import Triplets
from tests.evaluation import folders

N_USERS, N_ITEMS = 9, 7
# User 8 has nothing and nobody has item 6; user 7 has all other items.
TRAIN = [
    *[(0, 0), (0, 1), (0, 2), (1, 0), (1, 3), (2, 1), (2, 3), (2, 4), (3, 0), (3, 5), (4, 2)],
    *[(5, 0), (5, 1), (6, 4), (6, 5), (7, 0), (7, 1), (7, 2), (7, 3), (7, 4), (7, 5)],
]
VALID = [(0, 3), (1, 1), (2, 0), (6, 3)]
TEST = [(0, 4), (1, 2), (3, 1), (5, 2)]


def dataset(train=TRAIN, valid=VALID, test=TEST, n_users=N_USERS, n_items=N_ITEMS):
    """A `ReviewDataset` in memory; no folder is read."""
    return folders.dataset(train, valid, test, n_users, n_items)


def matrix(train=TRAIN, n_users=N_USERS, n_items=N_ITEMS):
    """Training interactions, float64 `[n_users, n_items]`."""
    dense = np.zeros((n_users, n_items))
    for user, item in train:
        dense[user, item] = 1
    return dense


def history(user):
    """Training items of a user."""
    return {item for other, item in TRAIN if other == user}


def scores(scorer, users=range(N_USERS)):
    """What a scorer gives for some users."""
    return np.asarray(scorer.score_block(scorer.params, np.array(users, np.int32)))


def adjacency():
    """The normalized adjacency, an edge at a time."""
    dense = matrix()
    full = np.zeros((N_USERS + N_ITEMS, N_USERS + N_ITEMS))
    for user, item in TRAIN:
        weight = 1 / math.sqrt(dense[user].sum() * dense[:, item].sum())
        full[user, N_USERS + item] = full[N_USERS + item, user] = weight
    return full


def inputs(text=None):
    """What training reads."""
    inputs = LightGcn().inputs(dataset())
    return inputs if text is None else inputs.replace(text=jnp.asarray(text))


def batch():
    """A batch with repeats; the last row does not count."""
    return Triplets(
        users=np.array([0, 0, 1, 3, 7]),
        positives=np.array([0, 2, 0, 5, 1]),
        negatives=np.array([3, 6, 2, 1, 1]),
        keep=np.array([True, True, True, True, False]),
    )


def embedding(width=4, seed=0):
    """Node embeddings, float32, far from where learning starts."""
    shape = (N_USERS + N_ITEMS, width)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def bpr_and_l2(nodes, embedding, l2):
    """BPR of `batch()` over `nodes` and L2 over `embedding`, row by row."""
    users, positives, negatives, keep = batch()
    losses, squares = [], 0.0
    for row in range(len(users)):
        u, i, j = users[row], N_USERS + positives[row], N_USERS + negatives[row]
        if keep[row]:
            losses.append(math.log1p(math.exp(nodes[u] @ nodes[j] - nodes[u] @ nodes[i])))
        squares += sum((embedding[node].astype(np.float64) ** 2).sum() for node in (u, i, j))
    return np.mean(losses) + l2 / 2 * squares / len(users)


def infonce(first, second, rows, temperature):
    """InfoNCE over the distinct rows, a pair at a time."""

    def cosine(a, b):
        return a @ b / math.sqrt(a @ a) / math.sqrt(b @ b)

    losses = []
    distinct = sorted(set(rows))
    for row in distinct:
        mass = sum(math.exp(cosine(first[row], second[other]) / temperature) for other in distinct)
        losses.append(math.log(mass) - cosine(first[row], second[row]) / temperature)
    return np.mean(losses)
