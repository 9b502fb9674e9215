import dataclasses
import doctest
import functools

import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax import NewUser, Recommender
from symcere_jax.errors import DataError
from symcere_jax.models import SymCERE
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.recommend.item_index import build_index
from symcere_jax.recommend.text_reader import TextReader
from symcere_jax.settings import Settings
from symcere_jax.study.scoring import score_run
from symcere_jax.training import train

from .conftest import SETTINGS


def scores_of(recommender, user):
    """Scores of a user row for all items, in float64."""
    embeddings = recommender.embeddings
    items = np.asarray(embeddings.items, float)
    return items @ np.asarray(embeddings.users[user], float) + np.asarray(embeddings.item_bias)


def best(scores, excluded, k):
    order = [item for item in np.argsort(-scores, kind="stable") if item not in set(excluded)]
    return order[:k]


def ids(recommender, ranking):
    return [recommender.items.rows([item_id])[0] for item_id, _ in ranking]


def test_doctests(workdir, dataset):
    globs = {"workdir": workdir, "dataset": dataset.folder}
    found = doctest.DocTestFinder(recurse=False).find(Recommender, "Recommender", globs=globs)
    runner = doctest.DocTestRunner()
    results = [runner.run(test) for test in found]
    assert sum(result.attempted for result in results) >= 5
    assert not any(result.failed for result in results)


def test_recommendations_are_a_sort_of_the_scores(recommender, dataset):
    names = dataset.user_ids()[[5, 2, 5, 77]]
    rankings = recommender.recommend(names, k=7)
    for name, ranking in zip(names, rankings, strict=True):
        row = list(dataset.user_ids()).index(name)
        scores = scores_of(recommender, row)
        pairs = np.concatenate([dataset.train, dataset.valid, dataset.test])
        seen = pairs[pairs[:, 0] == row, 1]
        assert ids(recommender, ranking) == best(scores, seen, 7)
        expected = scores[ids(recommender, ranking)]
        np.testing.assert_allclose([score for _, score in ranking], expected, rtol=1e-4, atol=1e-5)
        assert type(ranking[0].score) is float and type(ranking[0].item_id) is str


def test_similar_items_by_cosine(recommender, dataset):
    items = np.asarray(recommender.embeddings.items, float)
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    [first, second] = recommender.similar_items(dataset.item_ids()[[8, 1]], k=5)
    assert ids(recommender, first) == best(unit @ unit[8], [8], 5)
    assert ids(recommender, second) == best(unit @ unit[1], [1], 5)
    assert first[0].score == pytest.approx(np.sort(unit @ unit[8])[-2], abs=1e-5)


def test_search_finds_items_of_the_words(recommender, dataset):
    reviews = dataset.reviews(["item", "split", "text"]).to_pylist()
    documents = {
        item: " ".join(r["text"] for r in reviews if r["item"] == item and r["split"] == "train")
        for item in range(dataset.n_items)
    }
    # An item's own reviews as the query bring the item to the top, or near.
    ranks = []
    for item in range(0, dataset.n_items, 5):
        found = ids(recommender, recommender.search(documents[item], k=dataset.n_items))
        ranks.append(found.index(item))
    assert np.median(ranks) <= 2


def test_a_search_scores_by_the_cosine_without_normalization_too(recommender, dataset):
    settings = recommender.metadata.settings.replace(normalize=False)
    model = SymCERE(dataset.n_users, dataset.n_items, settings)
    lengths = np.linspace(0.5, 3, dataset.n_items, dtype=np.float32)[:, None]
    longer = dataclasses.replace(
        recommender.embeddings, items=recommender.embeddings.items * lengths
    )
    expert = dataclasses.replace(recommender.mixture.experts["aligned"], model=model)
    mixture = dataclasses.replace(recommender.mixture, experts={"aligned": expert})
    unnormalized = dataclasses.replace(recommender, embeddings=longer, mixture=mixture)
    query = mixture.items(recommender.texts.documents([["pool beach"]]))[0]
    assert abs(np.linalg.norm(query) - 1) > 0.1  # or the test says nothing
    items = np.asarray(longer.items, float)
    cosines = items @ query / np.linalg.norm(items, axis=1) / np.linalg.norm(query)
    found = unnormalized.search("pool beach", k=5)
    assert ids(recommender, found) == best(cosines, [], 5)
    np.testing.assert_allclose([s for _, s in found], np.sort(cosines)[::-1][:5], atol=1e-5)


def test_words_that_no_search_can_use_are_named(recommender):
    known = recommender.search("pool", k=5)
    assert recommender.unknown_words("the Qwertz pool, zxcvb qwertz") == ["qwertz", "zxcvb"]
    assert recommender.search("the qwertz pool zxcvb", k=5) == known
    with pytest.raises(DataError, match=r"no word of 'qwertz zxcvb' is known .*'qwertz', 'zxcvb'"):
        recommender.search("qwertz zxcvb")
    with pytest.raises(DataError, match=r"no word of 'the of' is known .* too common"):
        recommender.search("the of")
    with pytest.raises(DataError, match="a search needs words"):
        recommender.search(" ")


def test_an_index_finds_what_exact_search_does(recommender, workdir, dataset):
    indexed = Recommender.load(workdir, dataset, index="hnsw")
    users, some = dataset.user_ids(), [str(name) for name in dataset.item_ids()]
    new = [NewUser(items=some[:2]), NewUser(texts=["balcony and pool"])]
    for call in (
        lambda r: r.recommend(users, k=7),
        lambda r: r.recommend(users[:3], k=50, exclude_seen=False),
        lambda r: r.recommend_new(new, k=5),
        lambda r: r.similar_items(some, k=5),
        lambda r: [r.search("balcony pool", k=5)],
        lambda r: r.recommend(users[:3], k=5, filter_items=some[:9]),  # exact, whatever the index
        lambda r: r.with_items({"new": ["pool"]}).recommend(users[:3], k=51, exclude_seen=False),
    ):
        # An index of fifty items misses nothing.
        for found, expected in zip(call(indexed), call(recommender), strict=True):
            (items, scores), (best_items, best_scores) = (
                zip(*each, strict=True) for each in (found, expected)
            )
            assert items == best_items
            np.testing.assert_allclose(scores, best_scores, rtol=1e-4, atol=1e-5)


def test_a_known_user_with_nothing_new_gets_the_same(recommender, dataset):
    users = [str(name) for name in dataset.user_ids()[[4, 60]]]
    described = [NewUser(user_id=users[0]), NewUser(["item-03"]), NewUser(user_id=users[1])]
    first, _, last = recommender.recommend_new(described, 8)
    for found, expected in zip((first, last), recommender.recommend(users, 8), strict=True):
        assert [item for item, _ in found] == [item for item, _ in expected]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-3)


def test_a_known_user_with_new_items_is_moved_by_their_messages(recommender, dataset):
    user, fresh = 7, 44
    expert = recommender.mixture.experts["aligned"]
    history = recommender.history.row(user)
    assert fresh not in recommender.seen.row(user)
    n_layers, n = expert.model.settings.n_layers, len(history)
    temperature = expert.model.settings.temperature
    z = np.asarray(recommender.embeddings.users[user], float) * temperature
    z *= float(expert.user_norms[user]) * (n_layers + 1)
    messages, degree = expert.messages.astype(float), np.maximum(expert.item_degree, 1)
    for item in history:
        z += messages[item] / np.sqrt(degree[item]) * (1 / np.sqrt(n + 1) - 1 / np.sqrt(n))
    z += messages[fresh] / np.sqrt(degree[fresh] * (n + 1))
    z /= np.linalg.norm(z) * temperature
    bias = np.asarray(recommender.embeddings.item_bias, float)
    scores = np.asarray(recommender.embeddings.items, float) @ z + bias
    name, item = str(dataset.user_ids()[user]), str(dataset.item_ids()[fresh])
    [ranking] = recommender.recommend_new([NewUser([item], user_id=name)], 7)
    expected = best(scores, [*recommender.seen.row(user), fresh], 7)
    assert ids(recommender, ranking) == expected
    np.testing.assert_allclose([s for _, s in ranking], scores[expected], atol=2e-3)


def test_items_to_leave_out(recommender, dataset):
    names = [str(name) for name in dataset.item_ids()]
    user = str(dataset.user_ids()[3])
    for index in (None, build_index(recommender.embeddings, "hnsw")):
        changed = dataclasses.replace(recommender, index=index)
        for recommend in (
            functools.partial(changed.recommend, [user]),
            functools.partial(changed.recommend_new, [NewUser(texts=["pool"])]),
            functools.partial(changed.similar_items, names[-1:]),
            lambda **choice: [changed.search("pool", **choice)],  # noqa: B023
        ):
            [found] = recommend(exclude_items=names[:30], filter_items=names[25:])
            assert found and {item for item, _ in found} <= set(names[30:])


def test_new_users_one_by_one_or_together(recommender, dataset):
    names = [str(name) for name in dataset.item_ids()]
    users = [
        NewUser(items=names[:2]),
        NewUser(texts=["balcony and pool"]),
        NewUser(items=[names[4], names[4]], texts=["lens", "shutter"]),
        NewUser(),
    ]
    together = recommender.recommend_new(users, k=4)
    for user, ranking in zip(users, together, strict=True):
        [alone] = recommender.recommend_new([user], k=4)
        assert [item_id for item_id, _ in alone] == [item_id for item_id, _ in ranking]
        assert not {item_id for item_id, _ in ranking} & set(user.items)


@pytest.mark.parametrize("weight", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_of_whom_nothing_is_known_gets_what_is_popular(recommender, dataset, weight, index):
    counts = np.bincount(dataset.train[:, 1], minlength=dataset.n_items)
    embeddings = dataclasses.replace(
        recommender.embeddings,
        users=recommender.embeddings.users.at[3].set(0),
        item_bias=weight * jnp.log1p(jnp.asarray(counts, jnp.float32)),
    )
    changed = dataclasses.replace(
        recommender, embeddings=embeddings, index=build_index(embeddings, index)
    )
    expected = [str(dataset.item_ids()[row]) for row in np.argsort(-counts, kind="stable")]
    for user in (NewUser(), NewUser(texts=["qwertz"])):
        [_, ranking] = changed.recommend_new([NewUser(texts=["pool"]), user], k=6)
        assert [item_id for item_id, _ in ranking] == expected[:6]
    users = dataset.user_ids()[[5, 3]]
    [other, ranking] = changed.recommend(users, k=6, exclude_seen=False)
    assert [item_id for item_id, _ in ranking] == expected[:6]
    [alone] = changed.recommend(users[:1], k=6, exclude_seen=False)
    assert [item_id for item_id, _ in other] == [item_id for item_id, _ in alone]
    [_, ranking] = changed.recommend(users, k=6)
    seen = {str(dataset.item_ids()[row]) for row in recommender.seen.row(3)}
    assert [item_id for item_id, _ in ranking] == [x for x in expected if x not in seen][:6]


def test_a_user_without_training_reviews_gets_what_is_popular(tmp_path):
    options = {"synthetic_users": 60, "synthetic_items": 30, "text_encoder": "none"}
    data = prepare(PrepareSettings(
        source="synthetic", output=tmp_path / "data", split="cold_user", **options
    ))  # fmt: skip
    settings = SETTINGS | {"epochs": 1, "experts": "graph"}
    train(Settings(**settings), data, tmp_path / "run")
    recommender = Recommender.load(tmp_path / "run", data)
    counts = np.bincount(data.train[:, 1], minlength=data.n_items)
    cold = np.setdiff1d(data.test[:, 0], np.concatenate([data.train, data.valid])[:, 0])
    best = data.item_ids()[np.argsort(-counts, kind="stable")[:5]].tolist()
    for ranking in recommender.recommend(data.user_ids()[cold], k=5, exclude_seen=False):
        assert [item_id for item_id, _ in ranking] == best
    parts = recommender.explain(data.user_ids()[cold[0]], best[0])
    assert parts.score == parts.popularity == pytest.approx(ranking[0].score)
    evaluation, _ = score_run(tmp_path / "run", data, "test")
    scored = evaluation.recommended[np.isin(evaluation.users, cold), :5]
    assert len(scored) and data.item_ids()[scored].tolist() == [best] * len(cold)


def test_a_new_item_by_its_reviews(recommender, dataset):
    reviews = dataset.reviews(["item", "split", "text"]).to_pylist()
    texts = [r["text"] for r in reviews if r["item"] == 12 and r["split"] == "train"]
    larger = recommender.with_items({"brand new": texts, "empty": []})
    assert len(larger.items) == dataset.n_items + 2 and len(recommender.items) == dataset.n_items
    [ranking] = larger.similar_items(["brand new"], k=3)
    assert dataset.item_ids()[12] in [item_id for item_id, _ in ranking]
    # It is found, recommended, and serves as a new user's history.
    assert "brand new" in [item_id for item_id, _ in larger.search(texts[0], k=10)]
    allowed = ["brand new", str(dataset.item_ids()[0])]
    [ranking] = larger.recommend([dataset.user_ids()[0]], filter_items=allowed, exclude_seen=False)
    assert {item_id for item_id, _ in ranking} == set(allowed)
    [ranking] = larger.recommend_new([NewUser(items=["brand new"])], k=3)
    assert dataset.item_ids()[12] in [item_id for item_id, _ in ranking]
    bias = np.asarray(larger.embeddings.item_bias)[-2:]
    prior = float(recommender.mixture.experts["aligned"].params["popularity_weight"])
    np.testing.assert_allclose(bias, [prior * np.log1p(len(texts)), 0], rtol=1e-5)
    favored = recommender.with_items({"brand new": texts}, bonus=50.0)
    assert favored.recommend([dataset.user_ids()[0]])[0][0].item_id == "brand new"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: r.recommend(["x", "y"]), DataError, r"no user 'x' .*and 1 more .*'user-000'"),
        (lambda r: r.recommend("user-000"), TypeError, r"must be a list, as \['user-000'\]"),
        (lambda r: r.recommend([], k=0), ValueError, "k is 0"),
        (lambda r: r.similar_items(["nope"]), DataError, "no item 'nope' among the 50 items"),
        (lambda r: r.recommend_new([NewUser(items=["nope"])]), DataError, "no item 'nope'"),
        (lambda r: r.recommend_new([NewUser(texts="abc")]), TypeError, "lists of strings"),
        (lambda r: r.explain("x", "y"), DataError, "no user 'x'"),
        (lambda r: r.search("pool", filter_items=["nope"]), DataError, "no item 'nope'"),
        (lambda r: r.with_items({str(r.items.ids[0]): []}), DataError, "is known already"),
    ],
)
def test_bad_calls(recommender, call, error, message):
    with pytest.raises(error, match=message):
        call(recommender)


def test_without_an_encoder_texts_are_refused_with_a_remedy(recommender):
    without = dataclasses.replace(recommender, texts=TextReader("", None))
    for call in (
        lambda: without.search("pool"),
        lambda: without.recommend_new([NewUser(texts=["pool"])]),
        lambda: without.with_items({"new": ["pool"]}),
    ):
        with pytest.raises(DataError, match=r"cannot read texts: .* prepare the data again"):
            call()
    assert len(without.recommend_new([NewUser(items=[str(without.items.ids[0])])])[0]) == 10
