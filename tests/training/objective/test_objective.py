import jax
import numpy as np
import pytest

from symcere_jax.models.column_shard import AXIS
from symcere_jax.training.objective import microbatch
from symcere_jax.training.objective.batch import Batch
from tests.training import oracle, problem
from tests.training.problem import ONLY_RANKING

# Each value of each setting; all terms together where they depend on it.
CASES = [
    {},
    {"false_negatives": "none", "normalize": False, "cross_modal_direction": "text_to_graph"},
    {
        "false_negatives": "same_item",
        "exclude_target": "none",
        "candidates": "in_batch",
        "cross_modal_direction": "graph_to_text",
        "cross_modal_labels": "item",
        "cross_modal_batch": 5,
    },
    {"exclude_target": "edge", "candidates": "in_batch"},
    {"candidates": "sampled"} | ONLY_RANKING,
    {"candidates": "sampled", "sampled_candidates": 5, "false_negatives": "none"} | ONLY_RANKING,
    {
        "candidates": "in_batch",
        "false_negatives": "none",
        "normalize": False,
        "popularity_prior": False,
    }
    | ONLY_RANKING,
    {"exclude_target": "none", "false_negatives": "same_item"} | ONLY_RANKING,
    {"ranking_loss": "bpr", "false_negatives": "none", "normalize": False} | ONLY_RANKING,
    {"text_encoder": "none"} | ONLY_RANKING | {"intra_modal_weight": 0.5},
    {"graph_embeddings": False, "n_layers": 0} | ONLY_RANKING | {"intra_modal_weight": 0.5},
]


def _name(case: dict) -> str:
    settings = [f"{name}={value}" for name, value in case.items() if value != 0.0 or value is False]
    return ",".join(settings) or "defaults"


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_terms_and_gradients_follow_the_formulas(case):
    settings = problem.resolved(**case)
    objective = problem.objective(settings)
    params = problem.params(objective.model)
    terms, gradients = problem.loss_and_gradients(objective, params)
    assert terms == pytest.approx(oracle.terms(params, settings), rel=2e-5)

    # The slope of the float64 formulas along random directions, one of all parameters and one of
    # each, so that a small gradient does not hide behind a large one.
    rng = np.random.default_rng(3)
    leaves, structure = jax.tree.flatten(params)
    masks = [np.ones(len(leaves)), *np.eye(len(leaves))]
    for mask in masks:
        direction = [
            on * rng.standard_normal(leaf.shape) for on, leaf in zip(mask, leaves, strict=True)
        ]
        losses = []
        for step in (1e-5, -1e-5):
            moved = [leaf + step * way for leaf, way in zip(leaves, direction, strict=True)]
            losses.append(oracle.terms(structure.unflatten(moved), settings)["loss"])
        slopes = jax.tree.leaves(gradients)
        found = sum((slope * way).sum() for slope, way in zip(slopes, direction, strict=True))
        assert found == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("case", CASES[:4], ids=_name)
def test_every_setting_of_a_case_makes_a_difference(case):
    """Otherwise the test above could not tell one value from another."""
    settings = problem.resolved(**case)
    params = problem.params(problem.objective(settings).model)
    terms = oracle.terms(params, settings)
    for name in case:
        default = problem.resolved().as_dict()[name]
        changed = oracle.terms(params, settings.replace(**{name: default}))
        assert changed != pytest.approx(terms, rel=1e-3), name


def test_blocks_of_candidates_change_nothing(monkeypatch):
    objective = problem.objective(problem.resolved(**ONLY_RANKING))
    params = problem.params(objective.model)
    terms, gradients = problem.loss_and_gradients(objective, params)
    monkeypatch.setattr(microbatch, "BLOCK_SIZE", 3)
    block_terms, block_gradients = problem.loss_and_gradients(objective, params)
    assert block_terms == pytest.approx(terms, rel=1e-5)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6),
        block_gradients,
        gradients,
    )


@pytest.mark.parametrize(
    "case",
    [{}, {"candidates": "sampled", "cross_modal_batch": 3}, {"ranking_loss": "bpr"}],
    ids=_name,
)
def test_the_loss_of_a_batch_is_the_mean_of_its_micro_batches(case):
    settings = problem.resolved(**case)
    objective = problem.objective(settings)
    params = problem.params(objective.model)
    terms, gradients = problem.loss_and_gradients(objective, params, n_micro_batches=2)
    parts = [oracle.terms(params, settings, part) for part in (slice(0, 4), slice(4, 8))]
    expected = {name: (value + parts[1][name]) / 2 for name, value in parts[0].items()}
    assert terms == pytest.approx(expected, rel=2e-5)

    rng = np.random.default_rng(4)
    for name in params:
        way = jax.tree.map(lambda leaf: rng.standard_normal(np.shape(leaf)), params[name])
        moved = [
            params | {name: jax.tree.map(lambda x, d, s=step: x + s * d, params[name], way)}
            for step in (1e-5, -1e-5)
        ]
        losses = [
            np.mean([oracle.terms(at, settings, part)["loss"] for part in (slice(4), slice(4, 8))])
            for at in moved
        ]
        slopes = jax.tree.map(lambda slope, d: (slope * d).sum(), gradients[name], way)
        found = sum(map(float, jax.tree.leaves(slopes)))
        assert found == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-3, abs=1e-4), name


def test_more_candidates_than_items_are_the_catalog():
    every = problem.resolved(candidates="sampled", sampled_candidates=99)
    objectives = problem.objective(every), problem.objective(problem.resolved())
    params = problem.params(objectives[0].model)
    sampled, catalog = (problem.loss_and_gradients(each, params)[0] for each in objectives)
    assert sampled == pytest.approx(catalog, rel=1e-6)


@pytest.mark.parametrize(
    ("off", "gone"),
    [
        ({"user_ranking_weight": 0.0}, {"user_ranking"}),
        ({"cross_modal_weight": 0.0}, {"cross_modal_user", "cross_modal_item"}),
        ({"cross_modal_labels": "item"}, {"cross_modal_user"}),
        ({"intra_modal_weight": 0.0}, {"intra_modal_graph", "intra_modal_text"}),
        ({"text_encoder": "none"}, {"cross_modal_user", "cross_modal_item", "intra_modal_text"}),
        (
            {"graph_embeddings": False},
            {"cross_modal_user", "cross_modal_item", "intra_modal_graph"},
        ),
    ],
)
def test_a_term_that_is_off_does_not_appear(off, gone):
    every = {
        "loss",
        "ranking",
        "user_ranking",
        "cross_modal_user",
        "cross_modal_item",
        "intra_modal_graph",
        "intra_modal_text",
    }
    objective = problem.objective(problem.resolved(**off))
    params = problem.params(objective.model)

    def terms(params, inputs, rows):
        return objective.gradients(params, inputs, rows, jax.random.key(0), 1)[1]

    # Traced only: what is not there cannot cost anything.
    shapes = jax.eval_shape(
        jax.vmap(terms, in_axes=(None, None, None), axis_name=AXIS, axis_size=1),
        params,
        problem.inputs(),
        problem.BATCH,
    )
    assert set(shapes) == every - gone


@pytest.fixture(scope="module")
def free_items():
    """Gradients of the free embeddings of items, for user 0 and item 0 alone.

    Without message passing and normalization, that of a negative j is `p_j z_u / τ` with its
    softmax probability p_j.
    """

    def run(**settings):
        bare = {
            "n_layers": 0,
            "normalize": False,
            "text_encoder": "none",
            "popularity_prior": False,
        }
        resolved = problem.resolved(**bare, **ONLY_RANKING, **settings)
        objective = problem.objective(resolved)
        params = problem.params(objective.model)
        embeddings = params["graph_tower"]["embedding"].astype(np.float64)
        logits = embeddings[problem.N_USERS :] @ embeddings[0] / resolved.temperature
        return logits, embeddings[0] / resolved.temperature, objective, params

    return run


@pytest.mark.parametrize(
    ("false_negatives", "negatives"), [("history", [3, 4, 5, 6]), ("none", [1, 2, 3, 4, 5, 6])]
)
def test_history_has_softmax_probability_and_gradient_zero(free_items, false_negatives, negatives):
    logits, user, objective, params = free_items(false_negatives=false_negatives)
    _, gradients = problem.loss_and_gradients(objective, params, np.arange(1))
    of_items = gradients["graph_tower"]["embedding"][problem.N_USERS :]
    expected = np.zeros(problem.N_ITEMS)
    candidates = [0, *negatives]
    masses = np.exp(logits[candidates] - logits[candidates].max())
    expected[candidates] = masses / masses.sum()
    expected[0] -= 1
    np.testing.assert_allclose(of_items, expected[:, None] * user, rtol=1e-4, atol=1e-7)
    is_excluded = sorted(set(range(1, problem.N_ITEMS)) - set(negatives))
    assert (of_items[is_excluded] == 0).all()
    assert (of_items[negatives] != 0).all()


@pytest.mark.parametrize(
    ("false_negatives", "is_zero"), [("history", True), ("same_item", False), ("none", False)]
)
def test_in_batch_history_is_no_negative(free_items, false_negatives, is_zero):
    """Two items of one user: each is in the history that the other competes with."""
    *_, objective, params = free_items(candidates="in_batch", false_negatives=false_negatives)
    terms, gradients = problem.loss_and_gradients(objective, params, np.arange(2))
    assert (terms["ranking"] == 0) == is_zero
    assert all((leaf == 0).all() == is_zero for leaf in jax.tree.leaves(gradients))


def test_bpr_of_known_items_alone_is_zero():
    """User 0 and a key that draws from the history only: nothing counts, and nothing is NaN."""
    objective = problem.objective(problem.resolved(ranking_loss="bpr", **ONLY_RANKING))
    keys = range(100)
    draws = [
        int(
            jax.random.randint(jax.random.split(jax.random.key(key))[1], (1,), 0, problem.N_ITEMS)[
                0
            ]
        )
        for key in keys
    ]
    known = next(key for key in keys if draws[key] in (1, 2))
    terms, gradients = problem.loss_and_gradients(
        objective, problem.params(objective.model), np.arange(1), known
    )
    assert terms["loss"] == 0
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradients))


def test_long_histories_are_read_in_part(monkeypatch):
    monkeypatch.setattr(microbatch, "MAX_HISTORY", 2)
    rows = np.array([0, 0, 0, 10])  # user 0 has items 0, 1 and 2; user 4 has item 2
    batch = Batch.draw(problem.inputs(), rows, jax.random.key(0), 1)
    batch = batch.replace(history_start=np.array([0, 2, 4, 5]))
    micro = microbatch.MicroBatch(problem.resolved(), problem.inputs(), 1, batch, None)
    read = micro._histories(np.arange(4)).mask(problem.N_ITEMS, lambda items: items)
    assert [np.flatnonzero(row).tolist() for row in read] == [[0, 1], [0, 2], [1, 2], [2]]
