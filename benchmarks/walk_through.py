r"""Writes the walk-through of the docs: calls of the Recommender with their real output.

  python benchmarks/walk_through.py --workdir=runs/tripadvisor --dataset=data/tripadvisor \
    --update=docs/serving.md --update_short=README.md

Hotels have no names in the data: beside each id stand the words that set its training reviews
apart.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import scipy.sparse
import tables
from absl import app, flags
from sklearn.feature_extraction.text import CountVectorizer

from symcere_jax import NewUser, Recommender
from symcere_jax.data import ReviewDataset

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file with marks 'walk_through'")
_UPDATE_SHORT = flags.DEFINE_string("update_short", None, "the same, for all of it in one table")

IMPORT = """from symcere_jax import NewUser, Recommender

recommender = Recommender.load("runs/tripadvisor", "data/tripadvisor")"""
QUERY = "quiet boutique hotel near the beach"


def describe(dataset: ReviewDataset, n_words: int = 4) -> list[str]:
    """A few words for each item, in many of its training reviews and in few of others."""
    reviews = dataset.reviews(["item", "split", "text"])
    reviews = reviews.filter(pc.equal(reviews["split"], "train"))
    vectorizer = CountVectorizer(stop_words="english", min_df=20, binary=True)
    found = vectorizer.fit_transform(reviews["text"].to_pylist()).tocsr()
    item = reviews["item"].to_numpy()
    ones = np.ones(len(item))
    of_item = scipy.sparse.csr_array((ones, (item, np.arange(len(item)))))
    rarity = np.log(len(item) / np.asarray(found.sum(axis=0)).ravel())
    weights = (of_item @ found).tocsr()
    names = vectorizer.get_feature_names_out()
    words = []
    for row in range(dataset.n_items):
        places = slice(*weights.indptr[row : row + 2]) if row < weights.shape[0] else slice(0)
        columns = weights.indices[places]
        best = np.argsort(-weights.data[places] * rarity[columns], kind="stable")[:n_words]
        words.append(" ".join(names[columns[best]]))
    return words


def main(arguments: list[str]) -> None:
    """Makes the calls and writes them with their output."""
    del arguments
    dataset = ReviewDataset.load(_DATASET.value)
    recommender = Recommender.load(_WORKDIR.value, dataset)
    words = describe(dataset)

    def say(item: str) -> str:
        return words[recommender.items.rows([item])[0]]

    def rows(ranking: list) -> str:
        cells = [[say(item), item, f"{score:.2f}"] for item, score in ranking]
        return tables.markdown(("its reviews say", "item", "score"), cells, 1)

    # The user with most to go by, and two hotels that many wrote of, in an old town and by a beach.
    user = str(recommender.users.ids[dataset.user_counts().argmax()])
    history = recommender.history.indices[
        slice(*recommender.history.indptr[recommender.users.rows([user])[0] :][:2])
    ]
    counts = dataset.item_counts()
    often = recommender.items.ids[counts >= 20].tolist()
    liked = [
        recommender.search(text, 1, filter_items=often)[0].item_id
        for text in ("old town square", "beach resort")
    ]
    likes = ", ".join(f"{item} ({say(item)})" for item in liked)
    said = "; ".join(words[item] for item in history[:3])
    calls = [
        ("recommender.recommend([user], k=3)", recommender.recommend([user], 3)[0]),
        (
            f"recommender.recommend_new([NewUser(items={json.dumps(liked)})], k=3)",
            recommender.recommend_new([NewUser(items=liked)], 3)[0],
        ),
        (f'recommender.search("{QUERY}", k=3)', recommender.search(QUERY, 3)),
    ]
    askers = [
        f"A known user, who wrote of {len(history)} hotels in training ({said}; …):\n",
        f"Somebody new, of whom two liked hotels are known, {likes}:\n",
        "",
    ]
    parts = [f"```python\n{IMPORT}\n```"]
    for (call, found), asker in zip(calls, askers, strict=True):
        parts += [f"\n```python\n{call}\n```\n", *([asker] if asker else []), rows(found)]
    text = "\n".join(parts)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "walk_through", text)
    if _UPDATE_SHORT.value:
        asked = [
            f"a known user, who wrote of {', '.join(words[item] for item in history[:2])}, …",
            f"somebody new, who likes {' and '.join(say(item) for item in liked)}",
            f"“{QUERY}”",
        ]
        cells = [
            [who, *(f"{item}: {say(item)} ({score:.2f})" for item, score in found)]
            for who, (_, found) in zip(asked, calls, strict=True)
        ]
        text = "\n".join(
            [
                "```python",
                *(call for call, _ in calls),
                "```\n",
                tables.markdown(("asked by", "first", "second", "third"), cells, 4),
            ]
        )
        tables.replace(Path(_UPDATE_SHORT.value), "walk_through", text)


if __name__ == "__main__":
    app.run(main)
