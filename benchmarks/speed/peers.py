"""One other library from a CSV to the ten best items of each user, in an environment of its own.

  python peers.py METHOD INTERACTIONS.csv OUTPUT.json

Started by `pipelines.py`. It needs nothing but the library, whose defaults it keeps, except for 64
factors and early stopping on the validation rows where the library offers that.
"""

import csv
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

WIDTH, PATIENCE, K = 64, 10, 10


class Data:
    """The rows of the CSV: pairs (user, item) by split, and who knows which items."""

    def __init__(self, path: str) -> None:
        with Path(path).open(encoding="utf-8", newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.train, self.valid = (
            [(row["user_id"], row["item_id"]) for row in self.rows if row["split"] == split]
            for split in ("train", "valid")
        )
        self.users = sorted({user for user, _ in self.train})
        self.items = sorted({item for _, item in self.train})
        self.known: dict[str, set[str]] = {}
        for user, item in self.train + self.valid:
            self.known.setdefault(user, set()).add(item)

    @property
    def enough(self) -> int:
        """As many items as leave ten that a user does not know."""
        return min(K + max(map(len, self.known.values())), len(self.items))

    def matrix(self) -> object:
        """Training interactions, SciPy CSR."""
        import numpy as np
        from scipy.sparse import csr_matrix

        places = [{name: row for row, name in enumerate(ids)} for ids in (self.users, self.items)]
        ends = [[place[pair[side]] for pair in self.train] for side, place in enumerate(places)]
        values = np.ones(len(self.train), np.float32)
        return csr_matrix((values, ends), shape=(len(self.users), len(self.items)))

    def new(self, user: str, ranked: Iterable[str]) -> list[str]:
        """The ten best of ranked items that a user does not know."""
        return [item for item in ranked if item not in self.known[user]][:K]


# Each is a generator: it yields when its data is ready, when it is trained, and at last the lists.


def implicit_ials(data: Data) -> Iterable:
    """Alternating least squares of implicit."""
    from implicit.als import AlternatingLeastSquares

    matrix = data.matrix()
    yield
    model = AlternatingLeastSquares(factors=WIDTH, random_state=0)
    model.fit(matrix, show_progress=False)
    yield
    rows, _ = model.recommend(
        range(len(data.users)), matrix, N=data.enough, filter_already_liked_items=False
    )
    yield {
        user: data.new(user, (data.items[place] for place in row))
        for user, row in zip(data.users, rows, strict=True)
    }


def rectools_ials(data: Data) -> Iterable:
    """The same as RecTools wraps it."""
    import pandas
    from implicit.als import AlternatingLeastSquares
    from rectools.dataset import Dataset
    from rectools.models import ImplicitALSWrapperModel

    frame = pandas.DataFrame(data.train, columns=["user_id", "item_id"])
    dataset = Dataset.construct(frame.assign(weight=1, datetime="2026-01-01"))
    yield
    model = ImplicitALSWrapperModel(AlternatingLeastSquares(factors=WIDTH, random_state=0))
    model.fit(dataset)
    yield
    top = model.recommend(data.users, dataset, k=data.enough, filter_viewed=False)
    lists = top.sort_values("rank").groupby("user_id")["item_id"]
    yield {user: data.new(user, items) for user, items in lists}


def cornac_ctr(data: Data) -> Iterable:
    """Collaborative topic regression: the texts of an item are one document."""
    from cornac.data import TextModality
    from cornac.data.text import BaseTokenizer
    from cornac.models import CTR

    texts: dict[str, list[str]] = {}
    for row in data.rows:
        if row["split"] == "train":
            texts.setdefault(row["item_id"], []).append(row["text"])
    documents = TextModality(
        corpus=[" ".join(texts[item]) for item in data.items],
        ids=data.items,
        tokenizer=BaseTokenizer(stop_words="english"),
        max_vocab=8000,
        max_doc_freq=0.5,
    )
    yield from _cornac(data, CTR(k=WIDTH, verbose=False, seed=0), item_text=documents)


def cornac_lightgcn(data: Data) -> Iterable:
    """LightGCN on DGL."""
    from cornac.models import LightGCN

    stop = {"min_delta": 1e-4, "patience": PATIENCE}
    yield from _cornac(data, LightGCN(emb_size=WIDTH, early_stopping=stop, seed=0))


def _cornac(data: Data, model, **modalities) -> Iterable:
    from cornac.data import Dataset

    train = Dataset.build([(*pair, 1.0) for pair in data.train], seed=0)
    for texts in modalities.values():
        texts.build(id_map=train.iid_map)
    train.add_modalities(**modalities)
    valid = Dataset.build(
        [(*pair, 1.0) for pair in data.valid],
        global_uid_map=train.uid_map,
        global_iid_map=train.iid_map,
        exclude_unknowns=True,
    )
    yield
    model.fit(train, valid)
    yield
    yield {user: data.new(user, model.recommend(user, k=data.enough)) for user in data.users}


def recbole_lightgcn(data: Data) -> Iterable:
    """LightGCN on torch's sparse product."""
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.general_recommender import LightGCN
    from recbole.trainer import Trainer
    from recbole.utils import init_seed

    folder = Path("data")
    folder.mkdir(exist_ok=True)
    for split in ("train", "valid"):
        lines = ["user_id:token\titem_id:token", *map("\t".join, getattr(data, split))]
        (folder / f"data.{split}.inter").write_text("\n".join(lines))
    settings = {
        "data_path": ".",
        "benchmark_filename": ["train", "valid", "valid"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "eval_args": {"mode": "full", "order": "RO", "group_by": "user"},
        "metrics": ["NDCG"],
        "valid_metric": "NDCG@10",
        "embedding_size": WIDTH,
        "stopping_step": PATIENCE,
        "show_progress": False,
        "use_gpu": False,
    }
    config = Config(model="LightGCN", dataset="data", config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    train, valid, _ = data_preparation(config, dataset)
    yield
    model = LightGCN(config, train.dataset)
    trainer = Trainer(config, model)
    trainer.fit(train, valid, verbose=False, show_progress=False)
    best = torch.load(trainer.saved_model_file, weights_only=False)
    model.load_state_dict(best["state_dict"])
    model.eval()
    yield
    lists = {}
    for user in data.users:
        row = torch.tensor([dataset.token2id("user_id", user)])
        scores = model.full_sort_predict({"user_id": row})
        order = scores[1:].argsort(descending=True) + 1  # the first is padding
        ranked = dataset.id2token("item_id", order[: data.enough].numpy())
        lists[user] = data.new(user, ranked.tolist())
    yield lists


def main(method: str, source: str, output: str) -> None:
    """Runs a method; writes the seconds of its training and ranking, and its lists."""
    start = time.monotonic()
    run = iter(globals()[method](Data(source)))
    next(run)
    ready = time.monotonic()
    next(run)
    trained = time.monotonic()
    lists = next(run)
    seconds = [ready - start, trained - ready, time.monotonic() - trained]
    Path(output).write_text(json.dumps({"seconds": seconds, "lists": lists}))


if __name__ == "__main__":
    main(*sys.argv[1:])
