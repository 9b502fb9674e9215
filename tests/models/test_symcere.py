import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import InvalidRngError
from sklearn.metrics.pairwise import cosine_similarity

from symcere_jax.models import SymCERE, normalize_rows, score_block

from . import small

ALL_USERS = jnp.arange(small.N_USERS)


def _embed(model, params, inputs):
    return model.apply({"params": params}, inputs, method=SymCERE.embed)


def _nodes(model, params, inputs, **options):
    return model.apply({"params": params}, inputs, **options)


def _scores(model, params, inputs):
    return np.asarray(score_block(_embed(model, params, inputs), ALL_USERS))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"propagation": "bucketed"},
        {"n_layers": 0},
        {"n_layers": 1, "temperature": 0.5},
        {"normalize": False},
        {"normalize": False, "popularity_prior": False, "text_encoder": "none"},
        {"text_encoder": "none"},
        {"graph_embeddings": False, "n_layers": 2},
        {"embedding_dim": 2},
        {"embedding_dim": 9, "popularity_prior": False},
    ],
    ids=str,
)
def test_scores_equal_a_dense_model(settings):
    model, inputs = small.build(**settings)
    params = small.random_params(model, inputs)
    found = _scores(model, params, inputs)
    assert found.dtype == np.float32
    expected = small.dense_scores(params, model, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1
    some = score_block(_embed(model, params, inputs), jnp.array([5, 0, 5]))
    np.testing.assert_allclose(some, expected[[5, 0, 5]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("propagation", ["bucketed", "segment"])
def test_messages_in_bfloat16_change_scores_by_rounding_alone(propagation):
    model, inputs = small.build(propagation=propagation, message_dtype="bfloat16")
    params = small.random_params(model, inputs)
    found = _scores(model, params, inputs)
    assert found.dtype == np.float32
    expected = small.dense_scores(params, model, inputs)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 1e-5 < error < 2e-2
    nodes = model.apply({"params": params}, inputs)
    assert nodes.fused.dtype == nodes.walks.dtype == np.float32


def test_untrained_scores_are_text_neighbors_on_the_graph():
    model, inputs = small.build(
        graph_embeddings=False, user_text_weight=0.0, item_text_weight=1.0, n_layers=1
    )
    params = small.initial_params(model, inputs)
    found = _scores(model, params, inputs)
    # A user is the mean of the items it knows, popular ones less; an item is its text.
    text = small.unit_text(small.N_ITEMS)
    for user in range(small.N_USERS):
        known = small.PAIRS[small.PAIRS[:, 0] == user, 1]
        profile = np.zeros((1, small.WIDTH))
        for item in known:
            profile += text[item] / np.sqrt((small.PAIRS[:, 1] == item).sum())
        expected = cosine_similarity(profile, text)[0] / model.settings.temperature
        np.testing.assert_allclose(found[user], expected, atol=1e-4)
    assert found[:5, :3].min() != found[:5, :3].max()


@pytest.mark.parametrize(
    "settings",
    [
        {"graph_embeddings": False},
        {"graph_embeddings": False, "propagation": "bucketed"},
        {},
        {"normalize": False},
    ],
)
def test_isolated_nodes_have_finite_scores_and_gradients(settings):
    model, inputs = small.build(popularity_prior=False, **settings)
    params = small.random_params(model, inputs)

    def loss(params, inputs):
        embeddings = _embed(model, params, inputs)
        return jax.nn.logsumexp(score_block(embeddings, ALL_USERS))

    found = _scores(model, params, inputs)
    assert np.isfinite(found).all()
    if not model.settings.graph_embeddings:
        # Neither text nor neighbors: no direction.
        assert not found[6].any()
        assert not found[:, 4].any()
    gradient = jax.grad(loss)(params, inputs)
    largest = jax.tree.map(lambda leaf: float(jnp.abs(leaf).max()), gradient)
    assert all(1e-6 < value < 1e3 for value in jax.tree.leaves(largest)), largest


def test_normalize_rows():
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    x[1] = 0
    x[2] *= 1e-6
    np.testing.assert_allclose(normalize_rows(x), small.dense_normalize(x), rtol=1e-5)
    cotangent = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    gradient = jax.grad(lambda x: (normalize_rows(x) * cotangent).sum())(x)
    for row in range(4):
        expected = np.zeros(3)
        if x[row].any():  # (g − y (y·g)) / ‖x‖
            norm = np.linalg.norm(x[row])
            y = x[row] / norm
            expected = (cotangent[row] - y * (y @ cotangent[row])) / norm
        np.testing.assert_allclose(gradient[row], expected, rtol=1e-3, atol=1e-5)


def test_the_popularity_prior_is_one_scalar():
    model, inputs = small.build()
    params = small.initial_params(model, inputs)
    assert not np.asarray(_embed(model, params, inputs).item_bias).any()  # where learning starts
    params["popularity_weight"] = jnp.float32(0.7)
    expected = 0.7 * np.log([5, 4, 4, 2, 1])
    np.testing.assert_allclose(_embed(model, params, inputs).item_bias, expected, atol=1e-6)
    model, inputs = small.build(popularity_prior=False)
    # Of any numbers of interactions.
    counts = jnp.array([0.0, 3.0])
    bias = small.build()[0].apply({"params": params}, counts, method="popularity_bias")
    np.testing.assert_allclose(bias, 0.7 * np.log([1, 4]), atol=1e-6)
    bias = _embed(model, small.random_params(model, inputs), inputs).item_bias
    np.testing.assert_array_equal(bias, np.zeros(small.N_ITEMS))


@pytest.mark.parametrize("n_layers", [0, 2])
def test_towers_share_what_is_fused(n_layers):
    model, inputs = small.build(n_layers=n_layers)
    params = small.random_params(model, inputs)
    found = _nodes(model, params, inputs, by_tower=True)
    together = _nodes(model, params, inputs)
    assert together.graph is None
    assert together.text is None
    np.testing.assert_allclose(found.features, together.features, atol=1e-6)
    np.testing.assert_allclose(found.fused, together.fused, atol=1e-5)
    if n_layers == 0:
        assert found.walks is together.walks is None
    else:
        np.testing.assert_allclose(found.walks, together.walks, atol=1e-5)
    np.testing.assert_allclose(found.graph + found.text, found.fused, atol=1e-5)
    for name, features in small.dense_towers(params, inputs).items():
        expected = small.dense_propagate(small.dense_adjacency(), features, n_layers)
        np.testing.assert_allclose(getattr(found, name), expected, atol=1e-5)


def _unit_reviews():
    """Text features of the review of each interaction; the first has none."""
    reviews = np.random.default_rng(5).standard_normal((len(small.PAIRS), small.WIDTH))
    reviews /= np.linalg.norm(reviews, axis=1, keepdims=True)
    reviews[0] = 0
    return reviews.astype(np.float32)


@pytest.mark.parametrize(
    ("settings", "with_reviews"),
    [
        ({"n_layers": 0}, False),
        ({"n_layers": 0}, True),
        ({"n_layers": 1}, False),
        ({"n_layers": 3}, True),
        ({"n_layers": 3, "propagation": "bucketed"}, False),
        ({"n_layers": 2, "text_encoder": "none"}, True),
        ({"n_layers": 2, "graph_embeddings": False}, True),
    ],
    ids=str,
)
def test_without_target_takes_out_all_walks_that_begin_with_the_edge(settings, with_reviews):
    model, inputs = small.build(**settings)
    params = small.random_params(model, inputs)
    users, items = small.PAIRS.T
    reviews = _unit_reviews() if with_reviews else None
    n_layers = settings["n_layers"]
    nodes = _nodes(model, params, inputs, by_tower=model.has_both_towers)
    found = model.apply(
        {"params": params}, nodes, inputs, users, items, reviews, method="without_target"
    )
    features = sum(small.dense_towers(params, inputs).values())
    adjacency = small.dense_adjacency()
    has_text = "text_tower" in params
    for row, (user, item) in enumerate(small.PAIRS):
        ends = user, small.N_USERS + item
        for side, (receiver, sender) in enumerate((ends, ends[::-1])):
            # No walk from the receiver begins with the edge; longer ways to it stay.
            cut = adjacency.copy()
            cut[receiver, sender] = 0
            hops = [cut @ np.linalg.matrix_power(adjacency, n) @ features for n in range(n_layers)]
            own = features[receiver].copy()
            if with_reviews and has_text:
                n_reviews = (small.PAIRS[:, side] == (user, item)[side]).sum()
                weight = params["text_tower"][("log_user_weight", "log_item_weight")[side]]
                kernel = np.asarray(params["text_tower"]["projection"]["kernel"], float)
                own -= np.exp(float(weight)) * reviews[row] / n_reviews @ kernel
            expected = (own + sum(hop[receiver] for hop in hops)) / (n_layers + 1)
            np.testing.assert_allclose(found[side][row], expected, rtol=1e-4, atol=1e-5)
    changes = [
        np.abs(left - nodes.fused[end]).max(axis=1)
        for left, end in zip(found, (users, small.N_USERS + items), strict=True)
    ]
    # The first interaction's review has no text.
    is_changed = np.full(len(users), bool(n_layers) or (with_reviews and has_text))
    is_changed[0] = bool(n_layers)
    for change in changes:
        np.testing.assert_array_equal(change > 1e-4, is_changed)


def test_dropout_takes_the_review_s_share_too():
    """Of a feature that was dropped there is nothing to take out."""
    model, inputs = small.build(dropout=0.25, n_layers=0, embedding_dim=small.WIDTH)
    params = small.random_params(model, inputs)
    users, items = small.PAIRS.T
    reviews = _unit_reviews()
    nodes = _nodes(model, params, inputs, train=True, rngs={"dropout": jax.random.key(0)})
    found = model.apply(
        {"params": params}, nodes, inputs, users, items, reviews, method="without_target"
    )
    masks = np.asarray(nodes.text_mask)
    assert set(np.unique(masks)) == {np.float32(0), np.float32(256 / 192)}
    kernel = np.asarray(params["text_tower"]["projection"]["kernel"], float)
    for side, end in enumerate((users, small.N_USERS + items)):
        n_reviews = np.asarray((inputs.user_degree, inputs.item_degree)[side])[small.PAIRS[:, side]]
        weight = np.exp(params["text_tower"][("log_user_weight", "log_item_weight")[side]])
        share = weight * (reviews / n_reviews[:, None]) @ kernel
        np.testing.assert_allclose(
            nodes.fused[end] - found[side], masks[end] * share, rtol=1e-3, atol=1e-5
        )


def test_dropout_is_for_training_only():
    settings = {"graph_embeddings": False, "embedding_dim": 400, "n_layers": 1}
    model, inputs = small.build(dropout=0.25, **settings)
    params = small.random_params(model, inputs)
    rngs = {"dropout": jax.random.key(1)}
    plain = np.asarray(_nodes(model, params, inputs).features)
    without, _ = small.build(dropout=0.0, **settings)
    np.testing.assert_array_equal(plain, _nodes(without, params, inputs).features)
    unchanged = _nodes(without, params, inputs, train=True, rngs=rngs).features
    np.testing.assert_array_equal(plain, unchanged)

    nodes = _nodes(model, params, inputs, train=True, rngs=rngs)
    np.testing.assert_allclose(nodes.features, plain * nodes.text_mask, rtol=1e-5)
    dropped = np.asarray(_nodes(model, params, inputs, train=True, rngs=rngs).features)
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], plain[kept] / 0.75, rtol=1e-5)
    has_text = plain.any(axis=1)
    # 3,200 draws and more: 5 standard errors are below 0.04.
    assert has_text.sum() * 400 >= 3200
    assert kept[has_text].mean() == pytest.approx(0.75, abs=0.04)
    again = _nodes(model, params, inputs, train=True, rngs=rngs).features
    np.testing.assert_array_equal(dropped, again)
    other = _nodes(model, params, inputs, train=True, rngs={"dropout": jax.random.key(2)}).features
    assert (np.asarray(other) != dropped).any()
    with pytest.raises(InvalidRngError, match="dropout"):
        _nodes(model, params, inputs, train=True)


@pytest.mark.parametrize(("share", "of_256"), [(0.25, 64), (0.4, 102), (1e-4, 1), (0.9999, 255)])
def test_the_share_of_dropout_is_exact_to_a_byte(share, of_256, monkeypatch):
    """Of all bytes, so many are dropped, and what is kept makes up for them."""
    model, inputs = small.build(dropout=share, n_layers=0, text_encoder="none", embedding_dim=256)
    params = jax.tree.map(jnp.ones_like, small.initial_params(model, inputs))
    words = np.arange(256, dtype=np.uint8).view(np.uint32)
    all_bytes = lambda key, shape, dtype: jnp.broadcast_to(words.astype(dtype), shape)  # noqa: E731
    monkeypatch.setattr(jax.random, "bits", all_bytes)
    nodes = _nodes(model, params, inputs, train=True, rngs={"dropout": jax.random.key(0)})
    assert ((np.asarray(nodes.features) == 0).sum(axis=1) == of_256).all()
    np.testing.assert_allclose(nodes.features.mean(axis=1), 1, rtol=1e-5)
    assert nodes.text_mask is None


def test_towers_are_dropped_independently():
    model, inputs = small.build(dropout=0.5, n_layers=0, embedding_dim=small.WIDTH)
    params = small.random_params(model, inputs)
    rngs = {"dropout": jax.random.key(0)}
    found = _nodes(model, params, inputs, train=True, by_tower=True, rngs=rngs)
    rows = np.asarray(inputs.user_text).any(axis=1)
    graph, text = (
        np.asarray(share)[: small.N_USERS][rows] == 0 for share in (found.graph, found.text)
    )
    assert (graph & ~text).any()
    assert (~graph & text).any()
