r"""Recommends with a trained model: to some users, to those of a file, to all, or to somebody new.

Some users, on the terminal as JSON lines:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --users=anna,bert --k=5

All users, into a file (.jsonl, .csv or .parquet), with a bar; stopped, it goes on from there:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --output=all.parquet

Somebody who is not in the data, from items, from words, or from both:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop \
    --liked=item_1,item_2 --review="quiet, near the beach"

Items that fit some words, and items like others:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --search="boutique hotel"
  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --similar=item_1,item_2

What a user interacted with is left out, held-out interactions included (--noexclude_seen keeps it).
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from tqdm import tqdm

from launch import cli, training_runs
from symcere_jax.errors import ConfigError
from symcere_jax.serving import NewUser, Recommender, read_ids
from symcere_jax.serving.bulk import (
    PART_USERS,
    name_block,
    ranking_line,
    write_lines,
    write_recommendations,
)

_DATASET = flags.DEFINE_string(
    "dataset", None, "prepared folder that the model was trained on", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_USERS = flags.DEFINE_list("users", None, "ids of users, with commas between")
_USERS_FILE = flags.DEFINE_string("users_file", None, "file of user ids, one a line")
_LIKED = flags.DEFINE_list("liked", [], "items that a new user likes")
_REVIEW = flags.DEFINE_multi_string("review", [], "a review by a new user; may be repeated")
_SIMILAR = flags.DEFINE_list("similar", [], "items to find similar ones of")
_SEARCH = flags.DEFINE_string("search", None, "words to find items by")
_K = flags.DEFINE_integer("k", 10, "items for each user", 1)
_OUTPUT = flags.DEFINE_string(
    "output", None, "file to write (.jsonl, .csv, .parquet); the terminal if none is given"
)
_EXCLUDE_SEEN = flags.DEFINE_bool("exclude_seen", True, "leave out what the user interacted with")
_ITEMS_FILE = flags.DEFINE_string(
    "items_file", None, "file of the ids of the only items to choose from, one a line"
)

_PART_USERS = flags.DEFINE_integer(
    "part_users",
    PART_USERS,
    "users done at once, for a file: bounds the memory, and what is done again after a stop",
    1,
)

_TERMINAL_USERS = 1 << 12  # recommended to at once


def main() -> None:
    """Recommends, to a file or to the terminal."""
    asked = [
        _USERS.value is not None or _USERS_FILE.value is not None,
        bool(_LIKED.value or _REVIEW.value),
        bool(_SIMILAR.value),
        _SEARCH.value is not None,
    ]
    if sum(asked) > 1:
        raise ConfigError(
            "give one of --users or --users_file, --liked or --review, --similar, --search"
        )
    if any(asked[1:]) and _OUTPUT.value:
        raise ConfigError("--output is for users of the data; the others go to the terminal")
    recommender = Recommender.load(_WORKDIR.value, _DATASET.value)
    items = read_ids(Path(_ITEMS_FILE.value)) if _ITEMS_FILE.value else None
    if _SEARCH.value is not None:
        found = recommender.search(_SEARCH.value, _K.value, filter_items=items)
        print(ranking_line("search", _SEARCH.value, found))
    elif _SIMILAR.value:
        rankings = recommender.similar_items(_SIMILAR.value, _K.value)
        for item, ranking in zip(_SIMILAR.value, rankings, strict=True):
            print(ranking_line("item_id", item, ranking))
    elif asked[1]:
        new = NewUser(_LIKED.value, _REVIEW.value)
        [found] = recommender.recommend_new(
            [new], _K.value, exclude_seen=_EXCLUDE_SEEN.value, filter_items=items
        )
        print(ranking_line("user_id", None, found))
    else:
        recommend_known(recommender, items)


def recommend_known(recommender: Recommender, items: list[str] | None) -> None:
    """Recommends to users of the prepared folder."""
    ids = [*(_USERS.value or []), *(read_ids(Path(_USERS_FILE.value)) if _USERS_FILE.value else [])]
    named = _USERS.value is not None or _USERS_FILE.value is not None
    rows = recommender.users.rows(ids) if named else np.arange(len(recommender.users))
    options: dict[str, Any] = {
        "exclude_seen": _EXCLUDE_SEEN.value,
        "allowed": None if items is None else recommender.items.rows(items),
    }
    if not _OUTPUT.value:
        for start in range(0, len(rows), _TERMINAL_USERS):
            part = rows[start : start + _TERMINAL_USERS]
            found = recommender.recommend_rows(part, _K.value, **options)
            write_lines(name_block(recommender, part, *found), sys.stdout)
        return
    stop = training_runs.stop_on_signals("after this part")
    output = Path(_OUTPUT.value)
    with tqdm(total=len(rows), unit="user", disable=not sys.stderr.isatty()) as bar:
        complete = write_recommendations(
            recommender,
            rows,
            output,
            k=_K.value,
            part_users=_PART_USERS.value,
            progress=lambda done, total: bar.update(done - bar.n),
            should_stop=stop.is_set,
            **options,
        )
    if not complete:
        print("stopped; the same command goes on from there", file=sys.stderr)
        sys.exit(training_runs.PREEMPTED)
    print(f"{len(rows):,} users: {output}")


def run() -> None:
    """The installed command."""
    cli.run(main)


if __name__ == "__main__":
    run()
