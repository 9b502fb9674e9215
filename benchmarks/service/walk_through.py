r"""Writes the walk-through of the docs: calls of the Recommender with their real output.

  python -m benchmarks.service.walk_through --workdir=runs/tripadvisor \
    --dataset=data/tripadvisor --update=docs/serving.md --pictures=docs/images

--pictures also draws what goes in and comes out, the weights of the experts, and a map of the
hotels. Hotels have no names: each id stands beside the most typical words of its training reviews.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import scipy.sparse
from absl import flags
from matplotlib import colormaps
from matplotlib.axes import Axes
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.manifold import TSNE

from benchmarks import pictures, tables
from symcere_jax import NewUser, Recommender
from symcere_jax.cli import startup
from symcere_jax.data import ReviewDataset
from symcere_jax.files import write_text
from symcere_jax.report.plots import Plot, svg

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_PICTURES = flags.DEFINE_string("pictures", None, "folder for the pictures")

IMPORT = """from symcere_jax import NewUser, Recommender

recommender = Recommender.load("runs/tripadvisor", "data/tripadvisor")"""
CITIES = ["Amsterdam", "Bali", "Barcelona", "Beijing", "Berlin", "Boston", "Dallas", "Florence"]
CITIES += ["Hong Kong", "New Orleans", "New York", "Paris", "Punta Cana", "San Francisco"]
CITIES += ["San Juan", "Seattle", "Singapore", "Sydney", "Tokyo", "Waikiki"]
QUERY = "quiet boutique hotel near the beach"
READS = {
    "graph": "interactions",
    "aligned": "interactions and texts",
    "text": "texts",
    "neighbors": "rare words shared by items",
    "times": "times of reviews",
    "popularity": "number of interactions",
}


def describe_items(dataset: ReviewDataset) -> list[str]:
    """Four words for each item, in many of its training reviews and in few of others."""
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
        best = np.argsort(-weights.data[places] * rarity[columns], kind="stable")[:4]
        words.append(" ".join(names[columns[best]]))
    return words


def draw_map(dataset: ReviewDataset, items: np.ndarray) -> str:
    """The embeddings of the items `[n_items, d]` in two dimensions, as SVG."""
    reviews = dataset.reviews(["item", "split", "text"])
    reviews = reviews.filter(pc.equal(reviews["split"], "train"))
    words = [name.split()[-1].lower() for name in CITIES]
    named = CountVectorizer(vocabulary=words).transform(reviews["text"].to_pylist())
    counts = np.zeros((dataset.n_items, len(CITIES)))
    np.add.at(counts, reviews["item"].to_numpy(), named.toarray())
    city = np.where(counts.any(axis=1), counts.argmax(axis=1), len(CITIES))
    places = TSNE(random_state=0).fit_transform(PCA(50, random_state=0).fit_transform(items))
    colors = np.array([*colormaps["tab20"](range(len(CITIES))), (0.8, 0.8, 0.8, 1)])

    def draw(panels: list[Axes]) -> None:
        [axes] = panels
        axes.axis("off")
        sizes = np.where(city < len(CITIES), 12, 2)
        axes.scatter(*places.T, s=sizes, c=colors[city], rasterized=True)
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}
        for row, name in enumerate(CITIES):
            x, y = np.median(places[city == row], axis=0)
            axes.text(x, y, name, ha="center", size=9, weight="bold", clip_on=True, bbox=box)

    return svg(Plot(draw, 1, "", (9.0, 6.0)).figure())


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
    known = "; ".join(descriptions[item] for item in history[:3])
    likes = ", ".join(f"{item} ({describe(item)})" for item in liked)
    examples = [  # call, answer, comment, question
        (
            "recommender.recommend([user], k=3)",
            recommender.recommend([user], 3)[0],
            f"A user who reviewed {len(history)} hotels in training ({known}; …):\n\n",
            "for this user",
        ),
        (
            f"recommender.recommend_new([NewUser(items={json.dumps(liked)})], k=3)",
            recommender.recommend_new([NewUser(items=liked)], 3)[0],
            f"A new user who likes two hotels, {likes}:\n\n",
            f"for a newcomer who likes {' and '.join(map(describe, liked))}",
        ),
        (
            f'recommender.search("{QUERY}", k=3)',
            recommender.search(QUERY, 3),
            "",
            f"for the words “{QUERY}”",
        ),
    ]
    parts = [f"```python\n{IMPORT}\n```"]
    for call, ranking, comment, _ in examples:
        rows = [
            {"words of its reviews": describe(item), "item": item, "score": f"{score:.2f}"}
            for item, score in ranking
        ]
        parts.append(f"\n```python\n{call}\n```\n\n{comment}{tables.markdown(rows)}")
    tables.publish("\n".join(parts), "walk_through")
    if _PICTURES.value:
        counts = [
            f"{len(dataset.train):,} training reviews",
            f"{dataset.n_users:,} users, {dataset.n_items:,} hotels",
        ]
        answers = {
            question: [(describe(item), f"{score:.2f}") for item, score in ranking]
            for _, ranking, _, question in examples
        }
        lines = [*(descriptions[item] for item in history[:6]), "…"]
        folder = Path(_PICTURES.value)
        write_text(folder / "in_out.svg", pictures.in_and_out(lines, counts, answers))
        experts = recommender.metadata.experts
        weights = {name: experts[name].weight for name in READS if name in experts}
        caption = f"weights chosen on validation ({dataset.name})"
        write_text(folder / "experts.svg", pictures.experts(weights, READS, caption))
        write_text(folder / "hotels.svg", draw_map(dataset, recommender.retriever.directions))


if __name__ == "__main__":
    startup.run(main)
