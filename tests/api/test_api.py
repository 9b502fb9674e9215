"""The public face: a frame in, recommendations out."""

import inspect
import os
import re
import signal
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import symcere_jax as sj
from symcere_jax.api import steps
from symcere_jax.api.frames import frame_kind, from_arrow, to_arrow
from symcere_jax.errors import ConfigError, DataError, SymcereError
from symcere_jax.recommend.ids import UnknownIdError
from symcere_jax.settings import Settings
from tests.quick import QUICK

COLUMNS = {"user": "customer", "item": "sku", "text": "body", "progress": False}


@pytest.fixture(scope="module")
def frame(dataset):
    """Generated reviews under other names; users and items count from the most frequent."""
    table = dataset.reviews().to_pandas()
    for side in ("user", "item"):
        rank = {row: place for place, row in enumerate(table[side].value_counts().index)}
        table[side] = table[side].map(rank)
    names = {0: "anna", 1: "bert"}
    near = np.where(table["item"] % 4 == 0, " boutique hotel near the beach", "")
    return pd.DataFrame(
        {
            "customer": [names.get(user, f"u{user}") for user in table["user"]],
            "sku": [f"item_{item}" for item in table["item"]],
            "body": table["text"] + near,
            "rating": table["rating"],
        }
    )


@pytest.fixture(scope="module")
def integers(frame, tmp_path_factory):
    """A model of a polars frame whose items are integers."""
    folder = tmp_path_factory.mktemp("integers")
    table = pl.from_pandas(frame).with_columns(
        pl.col("sku").str.replace("item_", "").cast(pl.Int64).alias("item_id"),
        pl.col("customer").alias("user_id"),
        pl.col("body").alias("text"),
    )
    data = sj.prepare(table, folder / "data", progress=False, text_width=8)
    return sj.fit(data, folder / "run", progress=False, **QUICK)


def test_the_lines_of_the_readme_run(frame, tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "README.md").read_text()
    [code] = re.findall(r"```python\n(import symcere_jax as sj\n.*?)```", text, re.S)
    assert len(code.splitlines()) <= 14
    monkeypatch.chdir(tmp_path)
    found = {"frame": frame, "quick": QUICK}
    exec(code.replace("epochs=50", "**quick"), found)
    model = found["model"]
    ranked = model.recommend(["anna"])
    assert ranked.columns.tolist() == ["user_id", "item_id", "rank", "score"]
    assert ranked.equals(sj.load("shop.model").recommend(["anna"]))
    assert model.explain("anna", "item_7").item_id == "item_7"
    assert len(model.recommend_new(items=["item_1"], texts=["quiet, near the beach"], k=3)) == 3


def test_frames_and_ids_go_out_as_they_came_in(integers, tmp_path):
    frame = integers.recommend(["anna"], k=3)
    assert isinstance(frame, pl.DataFrame)
    assert frame["item_id"].dtype == pl.Int64 and frame["user_id"].to_list() == ["anna"] * 3
    assert frame["rank"].to_list() == [1, 2, 3]
    assert frame["score"].is_sorted(descending=True)
    item = frame["item_id"][0]
    similar = integers.similar_items([item, str(item)], k=2)
    assert similar["similar_to"].to_list() == [item] * 4
    assert item not in similar["item_id"]
    loaded = sj.load(integers.save(tmp_path / "shop.model"))
    assert isinstance(loaded.recommend(["anna"]), pd.DataFrame)
    assert loaded.recommend(["anna"], k=3)["item_id"].tolist() == frame["item_id"].to_list()


def test_rows_of_the_frame_are_those_of_the_recommender(integers):
    model, recommender = integers, integers.recommender
    everybody = model.recommend(k=2)
    rankings = recommender.recommend(recommender.users.ids.tolist(), k=2)
    expected = [(int(item), score) for ranking in rankings for item, score in ranking]
    assert list(zip(everybody["item_id"], everybody["score"], strict=True)) == expected
    [few] = recommender.recommend(["anna"], k=9, filter_items=["3", "4"])
    filtered = model.recommend(["anna"], k=9, filter_items=[3, 4])
    assert filtered["item_id"].to_list() == [int(item) for item, _ in few]
    searched = model.search("pool", k=3)
    assert searched["item_id"].to_list() == [int(i) for i, _ in recommender.search("pool", 3)]
    assert model.recommend([], k=2).is_empty()


def test_scores_are_kept_with_run_and_model(integers, tmp_path):
    metrics = integers.evaluate("test", ks=(10,))
    assert integers.scores["test ndcg@10"] == metrics["ndcg@10"]
    loaded = sj.load(integers.save(tmp_path / "shop.model"))
    assert loaded.scores == integers.scores
    with pytest.raises(ConfigError, match="no held-out reviews"):
        loaded.evaluate()
    again = sj.load(integers.workdir, integers.data)
    assert again.evaluate("test", ks=(10,)) == metrics


def test_folds_are_tested_once_each(frame, tmp_path):
    columns = {"user": "customer", "item": "sku", "text": "body", "text_encoder": "none"}
    training = QUICK | {"experts": "graph"}
    options = {"folds": 2, "training": training, "progress": False}
    scores = sj.cross_validate(frame, tmp_path / "folds", **columns, **options)
    assert scores["fold"].tolist() == [0, 1] and scores["ndcg@10"].between(0, 1).all()
    tests = []
    for fold in (0, 1):
        data = sj.ReviewDataset.load(tmp_path / "folds" / f"fold_{fold}" / "data")
        ids = zip(data.user_ids()[data.test[:, 0]], data.item_ids()[data.test[:, 1]], strict=True)
        tests.append(set(ids))
    assert not tests[0] & tests[1] and len(tests[0] | tests[1]) > 0.95 * len(frame)
    again = sj.cross_validate(frame, tmp_path / "folds", **columns, **options)
    assert again.equals(scores)
    for other, change in ((frame[5:], {}), (frame, {"k_core": 2})):
        with pytest.raises(ConfigError, match="other data or settings"):
            sj.cross_validate(other, tmp_path / "folds", **columns, **options, **change)


def test_an_explanation_shows_its_sum(integers):
    explanation = integers.explain("anna", 3)
    lines = repr(explanation).splitlines()
    total, *parts = (float(line.split()[-1]) for line in lines)
    assert sum(parts) == pytest.approx(total, abs=1e-3)
    assert explanation._repr_html_().count("<tr>") == len(lines)


def test_settings_are_completed_checked_and_stored(integers, frame, tmp_path):
    named = inspect.signature(sj.fit).parameters
    assert set(Settings().as_dict()) < set(named)
    assert {"k_core", "split", "user"} < set(inspect.signature(sj.prepare).parameters)
    assert integers.recommender.metadata.settings.experts == "aligned"
    help_of_fit = inspect.getdoc(sj.fit)
    assert all(f"{name} = " in help_of_fit for name in Settings().as_dict())
    for call, message in (
        (lambda: sj.fit(integers.data, tmp_path, epoch=1), "did you mean epochs"),
        (lambda: sj.fit(integers.data, tmp_path, epochs=-1), "epochs is -1"),
        (lambda: sj.prepare(frame, integers.data.folder, **COLUMNS), "overwrite=True"),
        (lambda: sj.prepare(frame, tmp_path / "x", **COLUMNS | {"user": "nope"}), "with user$"),
        (lambda: sj.prepare(frame, tmp_path / "x", **COLUMNS, user_field="x"), "own arguments"),
        (lambda: sj.cross_validate(frame, tmp_path, folds=1), "at least 2"),
        (lambda: sj.load(integers.workdir), "load it with its data"),
    ):
        with pytest.raises(SymcereError, match=message) as caught:
            call()
        assert "--" not in str(caught.value)
    with pytest.raises(UnknownIdError, match="nobody"):
        integers.recommend(["nobody"])


def test_wrong_types_are_refused(integers, frame, tmp_path):
    assert integers.recommend(["anna"], k=np.int64(2)).height == 2
    assert integers.similar_items([]).is_empty()
    popular = integers.recommend_new(items=None, texts=None, k=2)
    assert popular.equals(integers.recommend_new(k=2))
    for call, message in (
        (lambda: integers.recommend("anna"), "list"),
        (lambda: integers.recommend(3), "list"),
        (lambda: integers.recommend_new(items="3"), "list"),
        (lambda: integers.recommend_new(texts="pool"), "list"),
        (lambda: integers.recommend_new(texts=[None]), "string"),
        (lambda: integers.search(3), "string"),
        (lambda: integers.recommend(["anna"], k=2.5), "whole number"),
        (lambda: integers.recommend(["anna"], k=0), "whole number"),
        (lambda: sj.fit(frame, tmp_path / "run"), "which `prepare` makes"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            call()


def test_it_says_what_it_is_in_a_line(integers, tmp_path):
    integers.evaluate("test", ks=10)
    assert re.fullmatch(r"Model\(data: \d+ users, \d+ items, test ndcg@10 0\.\d+\)", repr(integers))
    assert "\n" not in repr(integers.data) and len(repr(integers.data)) < 200


def test_fewer_epochs_than_a_run_has_are_noted(integers):
    with pytest.warns(UserWarning, match="choose another folder"):
        sj.fit(integers.data, integers.workdir, progress=False, **QUICK | {"epochs": 0})


def test_an_interrupt_resumes(integers, tmp_path, monkeypatch):
    def interrupting(*arguments, should_stop, **options):
        os.kill(os.getpid(), signal.SIGINT)
        assert should_stop()
        return train(*arguments, should_stop=should_stop, **options)

    train, before = steps.train, signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(steps, "train", interrupting)
    with pytest.raises(KeyboardInterrupt):
        sj.fit(integers.data, tmp_path / "run", progress=False, **QUICK)
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.undo()
    # In a thread, where no signal arrives.
    models = []
    thread = threading.Thread(
        target=lambda: models.append(
            sj.fit(integers.data, tmp_path / "run", progress=False, **QUICK)
        )
    )
    thread.start()
    thread.join()
    assert models[0].recommend(["anna"]).equals(integers.recommend(["anna"]))


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frames_keep_their_kind(kind):
    table = pa.table({"a": ["x", None], "b": [1, 2]})
    frame = from_arrow(table, kind)
    assert frame_kind(frame) == kind
    assert to_arrow(frame).to_pydict() == table.to_pydict()


def test_other_frames_are_read():
    class Dataset:  # as that of Hugging Face
        def with_format(self, kind):
            assert kind == "arrow"
            return self

        def __getitem__(self, rows):
            return pa.table({"a": [1, 2]})

    import duckdb

    assert to_arrow(Dataset())["a"].to_pylist() == [1, 2]
    assert to_arrow(duckdb.sql("select 7 as a"))["a"].to_pylist() == [7]
    for wrong in ([1, 2], 3, None):
        with pytest.raises(DataError, match="not an Arrow data frame"):
            to_arrow(wrong)
