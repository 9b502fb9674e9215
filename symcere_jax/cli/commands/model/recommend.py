r"""Recommends with a trained model: to some users, to those of a file, to all, or to somebody new.

Some users, on the terminal as JSON lines:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --users=anna,bert --k=5

All users, into a file (.jsonl, .csv or .parquet), with a bar; stopped, it goes on from there:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --output=all.parquet

Somebody who is not in the data, from items, from words, or from both:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop \
    --items=item_1,item_2 --texts="quiet, near the beach"

Items that fit some words, and items like others:

  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --search="boutique hotel"
  python launch/recommend.py --workdir=runs/shop --dataset=data/shop --similar=item_1,item_2

What a user interacted with is left out, held-out interactions included (--noexclude_seen keeps it).
"""

from pathlib import Path

from absl import flags

from symcere_jax.cli import app as cli
from symcere_jax.cli.known_users import recommend_known
from symcere_jax.errors import ConfigError
from symcere_jax.recommend import NewUser, Recommender, read_ids
from symcere_jax.recommend.bulk import PART_USERS
from symcere_jax.recommend.formats import ranking_line
from symcere_jax.recommend.retrieval import EXACT, INDEX_HELP, INDEXES

_DATASET = flags.DEFINE_string(
    "dataset", None, "prepared folder that the model was trained on", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_USERS = flags.DEFINE_list("users", None, "ids of users, with commas between")
_USERS_FILE = flags.DEFINE_string("users_file", None, "file of user ids, one a line")
_ITEMS = flags.DEFINE_list("items", None, "ids of items that a new user likes")
_TEXTS = flags.DEFINE_multi_string(
    "texts", None, "a review by a new user, or other words of theirs; may be repeated"
)
_SIMILAR = flags.DEFINE_list("similar", None, "items to find similar ones of")
_SEARCH = flags.DEFINE_string("search", None, "words to find items by")
_K = flags.DEFINE_integer("k", 10, "items for each user", 1)
_OUTPUT = flags.DEFINE_string(
    "output", None, "file to write (.jsonl, .csv, .parquet); the terminal if none is given"
)
_EXCLUDE_SEEN = flags.DEFINE_bool("exclude_seen", True, "leave out what the user interacted with")
_FILTER_ITEMS_FILE = flags.DEFINE_string(
    "filter_items_file", None, "file of the ids of the only items to choose from, one a line"
)
_INDEX = flags.DEFINE_enum("index", EXACT, INDEXES, INDEX_HELP)
_PART_USERS = flags.DEFINE_integer(
    "part_users",
    PART_USERS,
    "users done at once, for a file: bounds the memory, and what is done again after a stop",
    1,
)


def main() -> None:
    """Recommends, to a file or to the terminal."""
    asked = [
        _USERS.value is not None or _USERS_FILE.value is not None,
        _ITEMS.value is not None or _TEXTS.value is not None,
        _SIMILAR.value is not None,
        _SEARCH.value is not None,
    ]
    if sum(asked) > 1:
        raise ConfigError(
            "give one of --users or --users_file, --items or --texts, --similar, --search"
        )
    for flag in (_USERS, _ITEMS, _SIMILAR):
        if flag.value == []:
            raise ConfigError(f"--{flag.name} is empty: give at least one id, or leave it out")
    if any(asked[1:]) and _OUTPUT.value:
        raise ConfigError("--output is for users of the data; the others go to the terminal")
    recommender = Recommender.load(_WORKDIR.value, _DATASET.value, index=_INDEX.value)
    filter_items = read_ids(Path(_FILTER_ITEMS_FILE.value)) if _FILTER_ITEMS_FILE.value else None
    if _SEARCH.value is not None:
        found = recommender.search(_SEARCH.value, _K.value, filter_items=filter_items)
        _note_unknown(recommender, [_SEARCH.value])
        print(ranking_line(recommender, "text", _SEARCH.value, found))
    elif _SIMILAR.value is not None:
        rankings = recommender.similar_items(_SIMILAR.value, _K.value, filter_items=filter_items)
        for item, ranking in zip(_SIMILAR.value, rankings, strict=True):
            print(ranking_line(recommender, "item_id", item, ranking))
    elif asked[1]:
        texts = _TEXTS.value or []
        new = NewUser(_ITEMS.value or [], texts)
        [found] = recommender.recommend_new(
            [new], _K.value, exclude_seen=_EXCLUDE_SEEN.value, filter_items=filter_items
        )
        _note_unknown(recommender, texts)
        print(ranking_line(recommender, "user_id", None, found))
    else:
        ids = _USERS.value
        if _USERS_FILE.value is not None:
            ids = [*(ids or []), *read_ids(Path(_USERS_FILE.value))]
        recommend_known(
            recommender,
            None if ids is None else recommender.users.rows(ids),
            _OUTPUT.value,
            k=_K.value,
            exclude_seen=_EXCLUDE_SEEN.value,
            allowed=None if filter_items is None else recommender.items.rows(filter_items),
            part_users=_PART_USERS.value,
        )


def _note_unknown(recommender: Recommender, texts: list[str]) -> None:
    """Says on stderr which words count for nothing."""
    words = [word for text in texts for word in recommender.unknown_words(text)]
    if words:
        cli.say(f"note: words that the model does not know: {', '.join(words)}")


def run() -> None:
    """The installed command."""
    cli.run(main)
