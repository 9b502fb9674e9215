r"""Writes the walk-through of docs/serving.md: calls of the Recommender with their real output.

  python benchmarks/walk_through.py --workdir=runs/tripadvisor --dataset=data/tripadvisor \
    --update=docs/serving.md --update=README.md

Hotels have no names in the data: beside each id stand the words that set its training reviews apart
(TF-IDF).
"""

from pathlib import Path

import numpy as np
import tables
from absl import app, flags
from sklearn.feature_extraction.text import TfidfVectorizer

from symcere_jax import NewUser, Recommender
from symcere_jax.baselines.text_knn import item_documents
from symcere_jax.data import ReviewDataset

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_UPDATE = flags.DEFINE_multi_string("update", [], "Markdown files with marks 'walk_through'")

QUERY = "quiet boutique hotel near the beach"


def describe(dataset: ReviewDataset, n_words: int = 4) -> list[str]:
    """A few words for each item, which its training reviews use and others do not."""
    documents = item_documents(dataset)
    vectorizer = TfidfVectorizer(stop_words="english", min_df=15, max_df=0.1)
    weights = vectorizer.fit_transform(documents)
    names = vectorizer.get_feature_names_out()
    words = []
    for row in range(weights.shape[0]):
        part = weights[row]
        best = part.indices[np.argsort(-part.data, kind="stable")[:n_words]]
        words.append(" ".join(names[best]))
    return words


def main(arguments: list[str]) -> None:
    """Makes the calls and writes them with their output."""
    del arguments
    dataset = ReviewDataset.load(_DATASET.value)
    recommender = Recommender.load(_WORKDIR.value, dataset)
    words = describe(dataset)

    def rows(ranking: list) -> str:
        cells = [
            [words[recommender.items.rows([item])[0]], item, f"{score:.2f}"]
            for item, score in ranking
        ]
        return tables.markdown(("its reviews say", "item", "score"), cells, 1)

    # The user with most to go by, and the two best hits for an old city and a beach.
    user = str(recommender.users.ids[np.bincount(dataset.train[:, 0]).argmax()])
    history = recommender.history.items[
        slice(*recommender.history.indptr[recommender.users.rows([user])[0] :][:2])
    ]
    liked = [recommender.search(text, 1)[0].item_id for text in ("old town", "beach resort")]
    likes = ", ".join(f"{item} ({words[recommender.items.rows([item])[0]]})" for item in liked)
    said = "; ".join(words[item] for item in history[:3])
    parts = [
        "```python\nfrom symcere_jax import NewUser, Recommender\n\n"
        'recommender = Recommender.load("runs/tripadvisor", "data/tripadvisor")\n'
        "recommender.recommend([user], k=3)\n```\n",
        f"A known user, who wrote of {len(history)} hotels in training ({said}; …):\n",
        rows(recommender.recommend([user], 3)[0]),
        f"\n```python\nrecommender.recommend_new([NewUser(items={liked!r})], k=3)\n```\n",
        f"Somebody new, of whom two liked hotels are known, {likes}:\n",
        rows(recommender.recommend_new([NewUser(items=liked)], 3)[0]),
        f"\n```python\nrecommender.search({QUERY!r}, k=3)\n```\n",
        rows(recommender.search(QUERY, 3)),
    ]
    text = "\n".join(parts)
    print(text)
    for path in _UPDATE.value:
        tables.replace(Path(path), "walk_through", text)


if __name__ == "__main__":
    app.run(main)
