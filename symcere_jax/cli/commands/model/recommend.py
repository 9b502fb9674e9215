r"""Recommends with a trained model.

To some users, as JSON lines on the terminal, or to all users, into a file (.jsonl, .csv, .parquet).
After an interrupt, the same command resumes:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --users=anna,bert --k=5
  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --output=all.parquet

To all users on a Ray cluster (pip install 'symcere-jax[ray]'), whose workers rank --part_users
users at a time:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --output=all.parquet \
    --ray_address=auto

To a new user, by items, by words, or by both:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop \
    --items=item_1,item_2 --texts="quiet, near the beach"

From a model folder, which `symcere export` writes, without the run and the data:

  python launch/recommend.py --model=shop.model --users=anna

Items that fit some words, and items that are similar to others:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --search="boutique hotel"
  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --similar=item_1,item_2

To a known user who liked another item after the training, with new items among the candidates, from
a file of JSON lines {"item_id": …, "texts": […]}:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --users=anna --items=item_1 \
    --new_items_file=new.jsonl

Items that a user interacted with in any split are left out; --noexclude_seen keeps them.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from symcere_jax.cli import startup, training_runs
from symcere_jax.cli.model_flags import define_index, model_location
from symcere_jax.errors import ConfigError
from symcere_jax.folders import RUN, STUDIES, check_output_folder

if TYPE_CHECKING:
    import numpy as np

    from symcere_jax.recommend import Recommender
    from symcere_jax.recommend.recommender import Ranking


_USERS = flags.DEFINE_list("users", None, "user ids, separated by commas")
_USERS_FILE = flags.DEFINE_string("users_file", None, "file of user ids, one per line")
_SKIP_UNKNOWN = flags.DEFINE_bool("skip_unknown", False, "leave out users who are not in the data")
_ITEMS = flags.DEFINE_list(
    "items",
    None,
    "ids of items that a new user likes; with --users: that the user liked after the training",
)
_TEXTS = flags.DEFINE_multi_string(
    "texts", None, "a review or other words by a new user; may be repeated"
)
_SIMILAR = flags.DEFINE_list("similar", None, "ids of items to find similar ones for")
_SEARCH = flags.DEFINE_string("search", None, "words to search items by")
_K = flags.DEFINE_integer("k", 10, "number of items for each user, item or search", 1)
_OUTPUT = flags.DEFINE_string("output", None, "file to write: .jsonl, .csv or .parquet")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace --output if it exists")
_EXCLUDE_SEEN = flags.DEFINE_bool(
    "exclude_seen", True, "leave out items that the user interacted with"
)
_FILTER_ITEMS_FILE = flags.DEFINE_string(
    "filter_items_file", None, "file of the item ids to choose from, one per line"
)
_EXCLUDE_ITEMS_FILE = flags.DEFINE_string(
    "exclude_items_file", None, "file of the item ids to leave out, one per line"
)
_NEW_ITEMS_FILE = flags.DEFINE_string(
    "new_items_file", None, "JSON lines of items that are not in the data: item_id and texts"
)
_INDEX = define_index()
_PART_USERS = flags.DEFINE_integer(
    "part_users",
    1 << 16,
    "users per part, which limits memory and the work that an interrupt loses",
    1,
)
_RAY_ADDRESS = flags.DEFINE_string(
    "ray_address",
    None,
    "with --output: rank on the Ray cluster at this address, such as auto or host:port; local "
    "starts one on this machine. All machines need access to the folder of --output",
)


def main() -> None:
    """Recommends, on the terminal or into a file."""
    import numpy as np

    from symcere_jax.recommend import NewUser, Recommender
    from symcere_jax.recommend.formats import json_line, ranking_entries, read_ids, read_items

    for_users = _USERS.value is not None or _USERS_FILE.value is not None
    for_new_user = _ITEMS.value is not None or _TEXTS.value is not None
    modes = [for_users or for_new_user, _SIMILAR.value is not None, _SEARCH.value is not None]
    if sum(modes) > 1:
        raise ConfigError("give only one of: users or what a new user likes; --similar; --search")
    for flag in (_USERS, _ITEMS, _SIMILAR):
        if flag.value == []:
            raise ConfigError(f"--{flag.name} is empty: give at least one id, or leave it out")
    if (any(modes[1:]) or for_new_user) and _OUTPUT.value:
        raise ConfigError("--output is for users of the data; other results go to the terminal")
    if _RAY_ADDRESS.value and not _OUTPUT.value:
        raise ConfigError("--ray_address needs --output")
    location = model_location()
    if _OUTPUT.value:
        check_output_folder(Path(_OUTPUT.value).parent, _OUTPUT.name, RUN, *STUDIES)
    recommender = Recommender.load(*location, index=_INDEX.value)
    if _NEW_ITEMS_FILE.value:
        recommender = recommender.with_items(read_items(Path(_NEW_ITEMS_FILE.value)))
    only, excluded = (
        read_ids(Path(flag.value)) if flag.value else None
        for flag in (_FILTER_ITEMS_FILE, _EXCLUDE_ITEMS_FILE)
    )
    choice: dict[str, Any] = {"filter_items": only, "exclude_items": excluded or ()}
    key, texts = "user_id", list[str]()
    values: Any
    rankings: Iterable[Ranking]
    if _SEARCH.value is not None:
        key, values, texts = "text", [_SEARCH.value], [_SEARCH.value]
        rankings = [recommender.search(_SEARCH.value, _K.value, **choice)]
    elif _SIMILAR.value is not None:
        key, values = "item_id", _SIMILAR.value
        rankings = recommender.similar_items(values, _K.value, **choice)
    elif for_new_user:
        values, texts = _user_ids(recommender) if for_users else [None], _TEXTS.value or []
        users = [NewUser(_ITEMS.value or [], texts, user) for user in values]
        options = choice | {"exclude_seen": _EXCLUDE_SEEN.value}
        rankings = recommender.recommend_new(users, _K.value, **options)
    else:
        rows = np.arange(len(recommender.users))
        if for_users:
            rows = recommender.users.rows(_user_ids(recommender))
        allowed = recommender.items.allowed(*choice.values())
        if _OUTPUT.value:
            _write(recommender, Path(_OUTPUT.value), rows, allowed)
            return
        values = recommender.users.ids[rows]
        unseen = _EXCLUDE_SEEN.value
        top = recommender.recommend_rows(rows, _K.value, exclude_seen=unseen, allowed=allowed)
        rankings = recommender.name_items(top)
    if unknown := recommender.unknown_words(*texts):
        startup.say(f"note: words that the model does not know: {', '.join(unknown)}")
    sys.stdout.writelines(map(json_line, ranking_entries(recommender, key, values, rankings)))


def _user_ids(recommender: "Recommender") -> list[str]:
    """The users that the flags name, without unknown ones if these are to be skipped."""
    from symcere_jax.recommend.formats import read_ids

    ids = [*(_USERS.value or [])]
    if _USERS_FILE.value is not None:
        ids += read_ids(Path(_USERS_FILE.value))
    if not _SKIP_UNKNOWN.value:
        return ids
    if unknown := [name for name in ids if name not in recommender.users]:
        startup.say(f"note: users who are not in the data: {', '.join(unknown)}")
    return [name for name in ids if name in recommender.users]


def _write(
    recommender: "Recommender", output: Path, rows: "np.ndarray", allowed: "np.ndarray | None"
) -> None:
    """Writes the rankings of users to a file; exits with `PREEMPTED` if stopped."""
    from symcere_jax.cli.progress import counting_bar
    from symcere_jax.recommend.bulk import write_recommendations

    with (
        training_runs.stop_on_signals("after this part") as stop,
        counting_bar("user", silent=bool(_RAY_ADDRESS.value)) as show,  # Ray has bars of its own
    ):
        is_complete = write_recommendations(
            recommender,
            rows,
            output,
            k=_K.value,
            exclude_seen=_EXCLUDE_SEEN.value,
            allowed=allowed,
            overwrite=_OVERWRITE.value,
            part_users=_PART_USERS.value,
            ray_address=_RAY_ADDRESS.value,
            progress=show,
            should_stop=stop.is_set,
        )
    if not is_complete:
        startup.say("stopped; the same command resumes")
        sys.exit(startup.PREEMPTED)
    print(f"{len(rows):,} users: {output}")
