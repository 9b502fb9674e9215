import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax import NewUser

HEADERS = {"Content-Type": "application/json"}
PATHS = ("/recommend", "/new_user", "/similar", "/search", "/explain")


def items(response):
    assert response.status_code == 200, response.text
    return [[item["item_id"] for item in ranking["items"]] for ranking in response.json()]


def names(rankings):
    return [[item_id for item_id, _ in ranking] for ranking in rankings]


def test_answers_are_those_of_the_recommender(client, model):
    recommender = model.recommender
    users, some = recommender.users.ids[[3, 8]].tolist(), recommender.items.ids[:4].tolist()
    body = {"users": users, "k": 4}
    response = client.post("/recommend", json=body)
    assert items(response) == names(recommender.recommend(users, 4))
    assert [ranking["user_id"] for ranking in response.json()] == users
    body = {"users": users, "exclude_seen": False, "filter_items": some}
    expected = recommender.recommend(users, exclude_seen=False, filter_items=some)
    assert items(client.post("/recommend", json=body)) == names(expected)
    body = {"items": some[:2], "texts": ["pool"], "k": 3}
    expected = recommender.recommend_new([NewUser(some[:2], ["pool"])], 3)
    assert items(client.post("/new_user", json=body)) == names(expected)
    expected = recommender.similar_items(some, 5)
    response = client.post("/similar", json={"items": some, "k": 5})
    assert items(response) == names(expected)
    assert [ranking["item_id"] for ranking in response.json()] == some
    body = {"items": some[:1], "filter_items": some}
    expected = recommender.similar_items(some[:1], filter_items=some)
    assert items(client.post("/similar", json=body)) == names(expected)
    assert set(names(expected)[0]) == set(some[1:])
    assert items(client.post("/search", json={"text": "pool", "k": 2})) == names(
        [recommender.search("pool", 2)]
    )
    response = client.post("/search", json={"text": "pool qwertz"}).json()
    assert response[0]["unknown_words"] == ["qwertz"] and len(response[0]["items"]) == 10
    assert response[0]["text"] == "pool qwertz"
    response = client.post("/new_user", json={"texts": ["qwertz", "of zxcvb"]}).json()
    assert response[0]["unknown_words"] == ["qwertz", "zxcvb"] and response[0]["items"]
    assert response[0]["user_id"] is None
    body = {"user": users[0], "items": some[:1], "exclude_items": some[2:], "k": 40}
    expected = recommender.recommend_new(
        [NewUser(some[:1], user_id=users[0])], 40, exclude_items=some[2:]
    )
    response = client.post("/new_user", json=body)
    assert items(response) == names(expected) and response.json()[0]["user_id"] == users[0]
    body = {"users": users, "exclude_items": some, "new_items": {"new": ["pool"]}, "k": 60}
    expected = recommender.with_items({"new": ["pool"]}).recommend(users, 60, exclude_items=some)
    assert items(client.post("/recommend", json=body)) == names(expected)
    assert "new" in names(expected)[0] and not set(some) & set(names(expected)[0])
    assert items(client.post("/recommend", json={"users": users, "filter_items": []})) == [[], []]
    parts = client.post("/explain", json={"user": users[0], "item": some[0]}).json()
    assert (parts["user_id"], parts["item_id"]) == (users[0], some[0])
    total = sum(part["score"] for part in parts["history"]) + parts["own"] + parts["popularity"]
    assert total == pytest.approx(parts["score"], rel=1e-5)


def test_health(client, model):
    found = client.get("/health").json()
    assert found["status"] == "ok" and found["reads_text"] is True
    assert found["n_users"] == len(model.recommender.users)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/recommend", {"users": ["nobody"]}, 404, "no user 'nobody'"),
        ("/recommend", {}, 422, "body.users: Field required"),
        ("/recommend", {"users": "user-000"}, 422, "body.users: Input should be a valid list"),
        ("/recommend", {"users": [], "k": 0}, 422, "body.k: Input should be greater than"),
        ("/recommend", {"users": [], "k": 10**9}, 422, "body.k: Input should be less than"),
        ("/recommend", {"users": [], "k": True}, 422, "body.k"),
        ("/recommend", {"users": [], "topk": 5}, 422, "body.topk: Extra inputs"),
        ("/similar", {"items": ["no\ud800thing"]}, 422, "body.items.0"),
        ("/similar", {"items": ["a"] * 1001}, 422, "at most 1000 items"),
        ("/search", {"text": "x" * 20_001}, 422, "at most 20000 characters"),
        ("/search", {"text": "qwertz"}, 422, "no word of 'qwertz' is known"),
        ("/explain", {"user": "user-000", "item": "\u0000"}, 404, "no item"),
    ],
)
def test_what_is_wrong_is_said(client, path, body, status, message):
    response = client.post(path, content=json.dumps(body), headers=HEADERS)
    assert response.status_code == status
    assert message in response.json()["error"]


def test_bodies_that_are_no_json(client):
    for content in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'"text"', b"NaN", b"1e999"):
        for path in PATHS:
            response = client.post(path, content=content, headers=HEADERS)
            assert response.status_code in (400, 422), (path, content[:10])
            assert response.json()["error"]
    assert client.get("/recommend").status_code == 405
    assert client.post("/search", content=b"x" * (5 << 20), headers=HEADERS).status_code == 413

    def chunks():
        for _ in range(6):
            yield b"x" * (1 << 20)

    assert client.post("/search", content=chunks(), headers=HEADERS).status_code == 413


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["user-000", "item-03"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("users", "items", "texts", "text", "k", "user", "item", "exclude_seen", "filter_items",
        "exclude_items", "new_items")  # fmt: skip


@given(st.sampled_from(PATHS), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
@settings(max_examples=100)
def test_no_body_gives_a_500(client, path, body):
    response = client.post(path, content=json.dumps(body), headers=HEADERS)
    assert response.status_code in (200, 404, 422), response.text
    response.json()


def test_the_page_sets_texts_as_texts_only(client):
    response = client.get("/")
    assert response.status_code == 200
    page, policy = response.text, response.headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
    assert page.count(f'nonce="{nonce}"') == 2 and "{{" not in page
    assert nonce not in client.get("/").text
    for unsafe in ("innerHTML", "outerHTML", "document.write", "eval(", "http://", "https://"):
        assert unsafe not in page
    assert {f"/{name}" for name in re.findall(r'form name="([^"]+)"', page)} == set(PATHS)


def test_the_api_is_described(client):
    described = client.get("/openapi.json").json()
    assert set(PATHS) < set(described["paths"])
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_examples_are_ids_that_exist(client, model):
    found = client.get("/examples").json()
    assert set(found["users"]) < set(model.recommender.users.ids)
    assert client.post("/similar", json={"items": found["items"]}).status_code == 200
