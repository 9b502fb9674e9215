"""A model folder recommends as the run that it was made of does."""

import json

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from symcere_jax import NewUser, Recommender
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.recommend.http import ServedModel, create_app
from symcere_jax.recommend.model_folder import read_model, save_model

USERS = ["user-000", "user-017"]


@pytest.fixture(scope="module")
def folder(mixed, tmp_path_factory):
    return save_model(mixed, tmp_path_factory.mktemp("saved") / "shop.model", {"test ndcg@10": 0.5})


@pytest.fixture(scope="module")
def loaded(folder):
    return Recommender.load(folder)


def test_known_users_and_items_have_the_same_scores(mixed, loaded):
    assert loaded.recommend(USERS) == mixed.recommend(USERS)
    assert loaded.recommend(USERS, exclude_seen=False) == mixed.recommend(USERS, exclude_seen=False)
    assert loaded.similar_items(["item-03"]) == mixed.similar_items(["item-03"])
    liked = [NewUser(items=["item-03", "item-11"])]
    assert loaded.recommend_new(liked) == mixed.recommend_new(liked)
    mine, theirs = (model.explain("user-000", "item-03") for model in (loaded, mixed))
    assert mine == theirs
    assert (loaded.metadata, loaded.titles) == (mixed.metadata, mixed.titles)


ALONE = """
import sys
import jax, numpy as np
from safetensors.numpy import load_file
folder, dtype = sys.argv[1], np.int32
with open(f"{folder}/score.stablehlo", "rb") as file:
    score = jax.export.deserialize(file.read()).call
arrays = load_file(f"{folder}/embeddings.safetensors")
for rows in ([0], [17, 0, 5]):
    np.save(f"{folder}/{len(rows)}.npy", score(arrays, dtype(rows)))
assert not any(name.startswith("symcere_jax") for name in sys.modules)
"""


def test_the_compiled_score_runs_without_this_package(mixed, tmp_path, run_on_devices):
    folder = save_model(mixed, tmp_path / "shop.model", stablehlo=True)
    run_on_devices(1, ALONE, folder)
    e = {name: np.asarray(x, float) for name, x in vars(mixed.embeddings).items()}
    expected = e["users"] @ e["items"].T + e["item_bias"]
    expected += e["user_neighbors"] @ e["item_neighbors"].T
    for rows in ([0], [17, 0, 5]):
        found = np.load(folder / f"{len(rows)}.npy")
        np.testing.assert_allclose(found, expected[rows], rtol=1e-3, atol=2e-3)
    for kind, ids in (("user", mixed.users.ids), ("item", mixed.items.ids)):
        table = pq.read_table(folder / f"{kind}s.parquet")
        assert table[f"{kind}_id"].to_pylist() == ids.tolist()


def test_texts_are_read_as_before_up_to_rounding(mixed, loaded):
    query, words = "quiet balcony near the beach", [NewUser(texts=["balcony pool beach"])]
    for mine, theirs in (
        (loaded.search(query, k=50), mixed.search(query, k=50)),
        (loaded.recommend_new(words, k=50)[0], mixed.recommend_new(words, k=50)[0]),
    ):
        mine, theirs = dict(mine), dict(theirs)
        assert mine.keys() == theirs.keys()
        np.testing.assert_allclose([mine[i] for i in theirs], [*theirs.values()], atol=0.01)
    new = {"item_new": ["a balcony and a pool"]}
    rankings = [model.with_items(new).recommend(USERS, k=60)[0] for model in (loaded, mixed)]
    mine, theirs = map(dict, rankings)
    assert mine["item_new"] == pytest.approx(theirs["item_new"], abs=0.01)


def test_no_text_and_no_free_embedding_is_in_it(dataset, mixed, folder):
    texts = dataset.reviews(["text"])["text"].to_pylist()
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not any(text.encode() in content for text in texts if len(text) > 20)
    assert not any(
        "graph_tower" in jax.tree_util.keystr(path)
        for expert in read_model(folder)["mixture"].experts.values()
        for path, _ in jax.tree_util.tree_leaves_with_path(expert.params)
    )
    assert json.loads((folder / "model.json").read_text())["scores"] == {"test ndcg@10": 0.5}


def test_a_model_without_text_and_with_integer_ids(recommender, tmp_path):
    ids = recommender.users.__class__("user", np.array(["12", "-7"], object), is_integer=True)
    assert ids.rows([-7, "12", np.int64(12)]).tolist() == [1, 0, 0]
    assert ids.arrow(np.array([1, 0])).to_pylist() == [-7, 12]
    assert not ids.extended(["new"]).is_integer and ids.extended(["8"]).is_integer


def test_a_saved_model_is_replaced_and_nothing_else(mixed, loaded, folder, tmp_path):
    model = save_model(mixed, tmp_path / "shop.model")
    served = ServedModel(model)
    assert not served.reload_if_new()
    save_model(loaded, model)  # of a loaded one
    assert served.reload_if_new() and served.n_reloads == 1
    assert Recommender.load(model).recommend(USERS) == mixed.recommend(USERS)
    assert [path.name for path in tmp_path.iterdir()] == ["shop.model"]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="not a model folder"):
        save_model(mixed, tmp_path / "notes")
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"


def test_a_service_answers_from_it_alone(mixed, folder):
    with TestClient(create_app(ServedModel(folder))) as client:
        body = {"users": USERS, "k": 3}
        [first, _] = client.post("/recommend", json=body).json()
        expected = mixed.recommend(USERS, k=3)[0]
        assert [entry["item_id"] for entry in first["items"]] == [item for item, _ in expected]
        for path, body in (
            ("new_user", {"items": ["item-03"], "texts": ["pool"]}),
            ("similar", {"items": ["item-03"]}),
            ("search", {"text": "pool"}),
            ("explain", {"user": "user-000", "item": "item-03"}),
        ):
            assert client.post(f"/{path}", json=body).status_code == 200, path
        assert client.post("/similar", json={"items": [7]}).status_code == 404  # as "7" is
        for path in ("health", "examples", "metrics"):
            assert client.get(f"/{path}").status_code == 200, path


@pytest.mark.parametrize(
    "file",
    [
        *("model.json", "embeddings.safetensors", "histories.safetensors", "users.parquet"),
        "text/model.json",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_damage_is_one_error_that_names_the_folder(mixed, tmp_path, file, damage):
    folder = save_model(mixed, tmp_path / "shop.model")
    path = folder / file
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"x" * len(content))
    with pytest.raises(DataError, match=r"shop\.model") as caught:
        read_model(folder, checksums=True)
    is_gone = file == "model.json" and damage == "missing"
    assert ("no model folder" if is_gone else "export the model again") in str(caught.value)
    assert "prepare" not in str(caught.value)
    if damage != "other":
        with pytest.raises(DataError):
            Recommender.load(folder)


def test_another_version_or_no_folder_is_refused(mixed, tmp_path):
    folder = save_model(mixed, tmp_path / "shop.model")
    content = json.loads((folder / "model.json").read_text())
    for change, message in (
        ({"format_version": 99}, "format version 99"),
        ({"format": "other"}, "not belong to a model folder"),
        ({"experts": None}, "damaged"),
    ):
        (folder / "model.json").write_text(json.dumps(content | change))
        with pytest.raises(DataError, match=message):
            Recommender.load(folder)
    with pytest.raises(DataError, match="no model folder"):
        Recommender.load(tmp_path / "absent")
