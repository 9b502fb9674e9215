import dataclasses

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.baselines.base import Scorer
from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.study.cold_start import (
    NEW_ITEMS,
    NEW_ITEMS_ALL,
    NEW_USERS,
    TOGETHER,
    WARM,
    ColdStartTasks,
)
from tests.evaluation import folders

# Items 5–7 and users 8–9 have no training interaction; item 4 neither, but no held-out one too.
TRAIN = [(u, i) for u in range(8) for i in range(4) if (u + i) % 2]
TEST = [
    *[(u, i) for u in range(8) for i in (5, 6) if (u * i) % 3 != 1],
    *[(u, i) for u in (8, 9) for i in range(4)],
    (8, 5),
    (2, 7),
    (0, 0),
    (3, 3),
]


@dataclasses.dataclass(frozen=True)
class _Data(ReviewDataset):
    """A data set whose reviews are in memory, as their texts name their pairs."""

    def reviews(self, columns=None):
        rows = sorted(
            (int(u), int(i), split) for split in schema.SPLITS for u, i in self.interactions(split)
        )
        users, items, splits = map(list, zip(*rows, strict=True))
        texts = [f"{user} on {item}" for user, item, _ in rows]
        return pa.table({"user": users, "item": items, "split": splits, "text": texts})


@pytest.fixture(scope="module")
def data():
    made = folders.dataset(TRAIN, [(1, 1)], TEST, 10, 8)
    return _Data(**{f.name: getattr(made, f.name) for f in dataclasses.fields(made)})


@pytest.fixture(scope="module")
def problem(data):
    return ColdStartTasks.from_split(data, "test")


def pairs(array):
    return set(map(tuple, array.tolist()))


def test_what_is_known_and_what_is_predicted_never_meet(problem):
    parts = (NEW_ITEMS, NEW_USERS, WARM)
    predicted = [pairs(problem.predicted[part]) for part in parts]
    assert sum(map(len, predicted)) == len(set.union(*predicted))
    assert pairs(problem.predicted[NEW_ITEMS_ALL]) == predicted[0]
    assert pairs(problem.predicted[TOGETHER]) == predicted[0] | predicted[2]
    assert not set.union(*predicted) & pairs(problem.known)
    # All pairs are one or the other, but for those of a new user with a new item.
    rest = set(TEST) - set.union(*predicted) - pairs(problem.known)
    assert rest <= {(8, 5)}
    assert pairs(problem.predicted[WARM]) == {(0, 0), (3, 3)}
    assert {i for _, i in pairs(problem.predicted[NEW_ITEMS])} == {5, 6}
    assert {u for u, _ in pairs(problem.predicted[NEW_USERS])} == {8, 9}


def test_half_of_each_is_known_rounded_up(problem):
    n_of_item = {i: sum(pair[1] == i for pair in TEST) for i in (5, 6, 7)}
    assert problem.new_items.tolist() == [5, 6, 7]
    assert [len(texts) for texts in problem.item_texts] == [
        -(-n_of_item[i] // 2) for i in (5, 6, 7)
    ]
    assert problem.new_users.tolist() == [8, 9]
    assert [len(items) for items in problem.user_items] == [2, 2]
    assert len(pairs(problem.predicted[NEW_ITEMS])) < len(TEST) / 2


def test_texts_are_those_of_the_known_pairs(problem):
    known = pairs(problem.known)
    for item, texts in zip(problem.new_items, problem.item_texts, strict=True):
        for text in texts:
            user, of_item = map(int, text.split(" on "))
            assert of_item == item and (user, item) in known
    for user, items, texts in zip(
        problem.new_users, problem.user_items, problem.user_texts, strict=True
    ):
        assert [f"{user} on {item}" for item in items] == list(texts)


def test_a_view_never_shows_what_is_predicted(problem):
    hidden = set.union(*(pairs(rows) for rows in problem.predicted.values()))
    for task in list(problem.predicted):
        view = problem.view(task)
        assert not pairs(view.train) & hidden and not pairs(view.valid) & hidden
        assert pairs(view.test) <= hidden
        # New users' known items are their history; new items are no history of anybody.
        assert {(u, i) for u, i in pairs(view.train) if u in (8, 9)} == {
            (user, item)
            for user, items in zip(problem.new_users, problem.user_items, strict=True)
            for item in items
        }
        assert not {i for _, i in pairs(view.train)} & {4, 5, 6, 7}
        assert (1, 1) in pairs(view.valid)


def test_tasks_rank_among_their_own_items(problem):
    assert list(problem.predicted) == [NEW_ITEMS, NEW_ITEMS_ALL, NEW_USERS, WARM, TOGETHER]
    flat = jnp.arange(8, 0, -1.0)  # the same ranking for everybody: 0, 1, …

    def score(params, users):
        return jnp.broadcast_to(params, (len(users), 8))

    candidates = {
        NEW_ITEMS: {5, 6, 7},
        NEW_ITEMS_ALL: {0, 1, 2, 3, 5, 6, 7},
        NEW_USERS: {0, 1, 2, 3},
        WARM: {0, 1, 2, 3, 5, 6, 7},
        TOGETHER: {0, 1, 2, 3, 5, 6, 7},
    }
    for task, expected in candidates.items():
        found = problem.evaluate(task, Scorer(score, flat), ks=(8,))
        view = problem.view(task)
        seen = pairs(np.concatenate([view.train, view.valid]))
        for user, row in zip(found.users, found.recommended, strict=True):
            kept = [item for item in sorted(expected) if (user, item) not in seen]
            assert [item for item in row if item >= 0] == kept


def test_nothing_new_leaves_the_warm_task_alone():
    made = folders.dataset([(0, 0), (1, 1), (0, 1)], [], [(1, 0)], 2, 2)
    data = _Data(**{f.name: getattr(made, f.name) for f in dataclasses.fields(made)})
    problem = ColdStartTasks.from_split(data, "test")
    assert list(problem.predicted) == [WARM]
    assert len(problem.known) == len(problem.new_items) == len(problem.new_users) == 0
