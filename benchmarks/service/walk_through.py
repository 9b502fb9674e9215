r"""Writes the walk-through of the docs: calls of the Recommender with their real output.

  python -m benchmarks.service.walk_through --workdir=runs/tripadvisor \
    --dataset=data/tripadvisor --update=docs/serving.md --update_short=README.md

Hotels have no names in the data: beside each id stand the words that set its training reviews
apart.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import scipy.sparse
from absl import flags
from sklearn.feature_extraction.text import CountVectorizer

from benchmarks import tables
from symcere_jax import NewUser, Recommender
from symcere_jax.cli import startup
from symcere_jax.data import ReviewDataset

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_UPDATE_SHORT = flags.DEFINE_string("update_short", None, "the same, for all of it in one table")

IMPORT = """from symcere_jax import NewUser, Recommender

recommender = Recommender.load("runs/tripadvisor", "data/tripadvisor")"""
QUERY = "quiet boutique hotel near the beach"


def describe_items(dataset: ReviewDataset, n_words: int = 4) -> list[str]:
    """A few words for each item, in many of its training reviews and in few of others."""
    reviews = dataset.reviews(["item", "split", "text"])
    reviews = reviews.filter(pc.equal(reviews["split"], "train"))
    item = reviews["item"].to_numpy()
    vectorizer = CountVectorizer(stop_words="english", min_df=20, binary=True)
    counts = vectorizer.fit_transform(reviews["text"].to_pylist()).tocsr()
    shape = (dataset.n_items, len(item))
    membership = scipy.sparse.csr_array((np.ones(len(item)), (item, np.arange(len(item)))), shape)
    rarity = np.log(len(item) / np.asarray(counts.sum(axis=0)).ravel())
    weights = (membership @ counts).tocsr()
    names = vectorizer.get_feature_names_out()
    words = []
    for row in range(dataset.n_items):
        places = slice(*weights.indptr[row : row + 2])
        columns = weights.indices[places]
        best = np.argsort(-weights.data[places] * rarity[columns], kind="stable")[:n_words]
        words.append(" ".join(names[columns[best]]))
    return words


def main() -> None:
    """Makes the calls and writes them with their output."""
    dataset = ReviewDataset.load(_DATASET.value)
    recommender = Recommender.load(_WORKDIR.value, dataset)
    descriptions = describe_items(dataset)

    def describe(item: str) -> str:
        return descriptions[recommender.items.rows([item])[0]]

    # The user with most to go by, and two hotels that many wrote of, in an old town and by a beach.
    row = dataset.user_counts().argmax()
    user, history = str(dataset.user_ids()[row]), dataset.train[dataset.train[:, 0] == row, 1]
    often = recommender.items.ids[dataset.item_counts() >= 20].tolist()
    liked = [
        recommender.search(text, 1, filter_items=often)[0].item_id
        for text in ("old town square", "beach resort")
    ]
    calls = {
        "recommender.recommend([user], k=3)": recommender.recommend([user], 3)[0],
        f"recommender.recommend_new([NewUser(items={json.dumps(liked)})], k=3)": (
            recommender.recommend_new([NewUser(items=liked)], 3)[0]
        ),
        f'recommender.search("{QUERY}", k=3)': recommender.search(QUERY, 3),
    }
    known = "; ".join(descriptions[item] for item in history[:3])
    likes = ", ".join(f"{item} ({describe(item)})" for item in liked)
    comments = [
        f"A known user, who wrote of {len(history)} hotels in training ({known}; …):\n\n",
        f"Somebody new, of whom two liked hotels are known, {likes}:\n\n",
        "",
    ]
    parts = [f"```python\n{IMPORT}\n```"]
    for (call, ranking), comment in zip(calls.items(), comments, strict=True):
        cells = [[describe(item), item, f"{score:.2f}"] for item, score in ranking]
        table = tables.markdown(("its reviews say", "item", "score"), cells, 1)
        parts.append(f"\n```python\n{call}\n```\n\n{comment}{table}")
    tables.publish("\n".join(parts), "walk_through")
    if _UPDATE_SHORT.value:
        known = ", ".join(descriptions[item] for item in history[:2])
        askers = [
            f"a known user, who wrote of {known}, …",
            f"somebody new, who likes {' and '.join(map(describe, liked))}",
            f"“{QUERY}”",
        ]
        cells = [
            [asker, *(f"{item}: {describe(item)} ({score:.2f})" for item, score in ranking)]
            for asker, ranking in zip(askers, calls.values(), strict=True)
        ]
        code = "\n".join(["```python", *calls, "```\n"])
        table = tables.markdown(("asked by", "first", "second", "third"), cells, 4)
        tables.replace(Path(_UPDATE_SHORT.value), "walk_through", f"{code}\n{table}")


if __name__ == "__main__":
    startup.run(main)
