import numpy as np
import pytest

from symcere_jax.errors import ConfigError, DataError
from tests.preparation.folders import by_ids, problems, row_of


def test_a_history_counts_what_was_there(grow):
    first = [row_of(f"u{n}", f"i{item}") for n in range(20) for item in range(2)]
    more = [row_of(f"{kind}{n}", f"j{item}") for kind in "uv" for n in range(20) for item in (0, 1)]
    everything = {"valid_share": 0.0, "test_share": 0.0}
    shares = {"split": "ratio", "valid_share": 0.4, "test_share": 0.59}
    dataset = grow(first, more, prepared=everything, min_history=2, **shares)
    held_out = np.concatenate([dataset.valid, dataset.test])
    # Of two new reviews, nearly both are held out where the history does not forbid it.
    assert set(dataset.user_ids()[held_out[:, 0]]) == {f"u{n}" for n in range(20)}
    assert len(held_out) > 35
    added = dataset.manifest.source["appended"][0]["added"]
    assert added["split"] == {"policy": "ratio", "seed": 0, "min_history": 2} | {
        name: shares[name] for name in ("valid_share", "test_share")
    }
    # By default, a new user has one to train on.
    dataset = grow(first, more, prepared=everything, **shares)
    train = set(dataset.user_ids()[dataset.train[:, 0]])
    assert train == {f"{kind}{n}" for kind in "uv" for n in range(20)}
    assert len(dataset.valid) + len(dataset.test) > 55


def test_the_history_that_the_folder_was_prepared_with_holds_on(grow):
    first = [row_of("u", f"i{item}") for item in range(10)]
    more = [
        *(row_of("u", f"j{item}", split="test") for item in range(2)),
        *(row_of("v", f"i{item}", split="train" if item else "valid") for item in range(3)),
        row_of("w", "i0", split="train"),
        row_of("w", "i1", split="test"),
    ]
    dataset = grow(first, more, prepared={"min_history": 2})
    rows = by_ids(dataset)
    assert ("w", "i1") not in rows and rows["v", "i0"]["split"] == "valid"
    assert rows["u", "j0"]["split"] == "test"
    assert dataset.manifest.dropped["held out, by a user with under 2 training reviews"] == 1
    assert problems(dataset) == []
    dataset = grow(first, more, prepared={"min_history": 2}, min_history=3)
    assert {"v", "w"} & set(
        dataset.user_ids()[np.concatenate([dataset.valid, dataset.test])[:, 0]]
    ) == set()
    with pytest.raises(ConfigError, match="--min_history=1 is less than 2, with which the"):
        grow(first, more, prepared={"min_history": 2}, min_history=1)
    only = [row_of("w", "i1", split="test")]
    with pytest.raises(DataError, match="is new to"):
        grow(first, only, prepared={"min_history": 2})


def timed(user, item, time):
    return row_of(user, item, time=time)


FIRST = [timed(f"u{n}", f"i{item}", 100 * item + n) for n in range(10) for item in range(10)]


@pytest.mark.parametrize(
    ("prepared", "more", "settings", "problem"),
    [
        ({"split": "temporal"}, timed("u1", "new", 5000), {}, "a review in train is later than"),
        ({"split": "global_time"}, timed("x", "i1", 5000), {}, "a review in train is later than"),
        ({"split": "temporal"}, row_of("u1", "new", time=None), {}, "but a review has none"),
        (
            {"split": "leave_one_out"},
            [timed("u1", f"new{n}", 5000) for n in range(9)],
            {"split": "ratio"},
            "a user has two reviews in test",
        ),
        (
            {"split": "cold_item", "warm_share": 0.0},
            [timed("x", f"i{item}", 1) for item in range(10)],
            {},
            "one of valid has training reviews",
        ),
    ],
)
def test_a_policy_that_new_reviews_end_is_stated(grow, prepared, more, settings, problem):
    stages = []
    more = more if isinstance(more, list) else [more]
    dataset = grow(FIRST, more, prepared=prepared, announce=stages.append, **settings)
    policy = prepared["split"]
    assert problem in dataset.manifest.source["appended"][0]["ends_split_policy"]
    assert problem in dataset.manifest.ended_split_policy
    assert [stage for stage in stages if stage.startswith("warning: ")] == [
        f"warning: the split is no longer {policy} ({dataset.manifest.ended_split_policy}); "
        "held-out reviews stay held out, but scores are not comparable with earlier ones"
    ]
    assert dataset.manifest.split_name == f"{policy} until reviews were appended"
    assert problems(dataset) == []


@pytest.mark.parametrize(
    ("prepared", "more"),
    [
        ({"split": "temporal"}, timed("x", "i1", 5000)),
        ({"split": "global_time"}, timed("x", "i1", 5)),
        ({"split": "cold_user", "warm_share": 0.0}, timed("x", "i1", 5)),
        ({"split": "ratio"}, timed("u1", "x", 5)),
    ],
)
def test_a_policy_that_still_holds_is_still_checked(grow, prepared, more):
    dataset = grow(FIRST, [more], prepared=prepared)
    assert "ends_split_policy" not in dataset.manifest.source["appended"][0]
    assert dataset.manifest.split_name == prepared["split"]
    assert problems(dataset) == []


def test_a_policy_ends_once(grow):
    stages = []
    dataset = grow(FIRST, [timed("u1", "new", 5000)], prepared={"split": "temporal"})
    ended = dataset.manifest.ended_split_policy
    dataset = grow(None, [timed("u2", "new", 6000)], announce=stages.append)
    assert not any(stage.startswith("warning") for stage in stages)
    assert [entry.get("ends_split_policy") for entry in dataset.manifest.source["appended"]] == [
        ended, None
    ]  # fmt: skip
    assert dataset.manifest.split_name == "temporal until reviews were appended"
    assert problems(dataset) == []
