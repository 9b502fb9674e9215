import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.models import resolve
from symcere_jax.settings import Settings
from symcere_jax.training import load_embeddings, train, train_inputs
from symcere_jax.training.train_inputs import TrainInputs

from . import problem


def _config(**settings):
    return problem.resolved(text_encoder="lsa", **settings)


def test_inputs_hold_the_training_interactions(dataset):
    inputs = TrainInputs.from_dataset(dataset, _config(min_rating=0.0))
    np.testing.assert_array_equal(inputs.interactions, dataset.train)
    items = {user: [] for user in range(dataset.n_users)}
    for user, item in dataset.train.tolist():
        items[user].append(item)
    assert inputs.history.longest == max(map(len, items.values()))
    users = np.array([0, dataset.n_users - 1, 3, 3])
    history = jax.jit(lambda lists, users: lists.padded(users, fill=99))(inputs.history, users)
    for user, row in zip(users.tolist(), history.tolist(), strict=True):
        padding = inputs.history.longest - len(items[user])
        assert row == sorted(items[user]) + [99] * padding


def test_low_ratings_are_no_positives_and_stay_in_the_history(dataset):
    """A review of each interaction is found by its user and item."""
    table = dataset.reviews(["user", "item", "rating", "split"]).to_pylist()
    train = [(row["user"], row["item"], row["rating"]) for row in table if row["split"] == "train"]
    inputs = TrainInputs.from_dataset(dataset, _config(min_rating=3.0))
    positives = sorted((user, item) for user, item, rating in train if rating >= 3)
    assert 0 < len(positives) < len(train)
    assert list(map(tuple, inputs.interactions.tolist())) == positives
    assert inputs.model.adjacency.n_edges == 2 * len(positives)
    for column, degree in enumerate((inputs.model.user_degree, inputs.model.item_degree)):
        counts = np.bincount([pair[column] for pair in positives], minlength=len(degree))
        np.testing.assert_array_equal(degree, counts)
    rows = inputs.history.padded(jnp.arange(dataset.n_users), fill=-1).tolist()
    history = [(user, i) for user, row in enumerate(rows) for i in row if i >= 0]
    assert sorted(history) == sorted((user, item) for user, item, _ in train)

    texts = dataset.text_features("lsa", "reviews")
    places = {(row["user"], row["item"]): place for place, row in enumerate(table)}
    assert inputs.review_text.dtype == jnp.float16
    for pair, found in zip(positives, np.asarray(inputs.review_text), strict=True):
        expected = texts[places[pair]] / max(np.linalg.norm(texts[places[pair]]), 1e-9)
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_large_review_texts_stay_in_their_file_and_train_the_same(dataset, tmp_path, monkeypatch):
    settings = Settings(
        **{"experts": "aligned", "exclude_target": "review"},
        **{"text_encoder": "lsa", "epochs": 1, "n_layers": 1, "embedding_dim": 8},
    )
    inputs, embeddings = [], []
    for share in (1.0, 0.0):
        monkeypatch.setattr(train_inputs, "MAX_SHARE", share)
        inputs.append(TrainInputs.from_dataset(dataset, resolve(settings, dataset)))
        train(settings, dataset, tmp_path / str(share))
        embeddings.append(load_embeddings(tmp_path / str(share), dataset)[0])
    assert isinstance(inputs[1].review_text, train_inputs.MappedReviews)
    assert isinstance(inputs[1].review_text.features, np.memmap)
    np.testing.assert_array_equal(inputs[1].review_text.read(slice(None)), inputs[0].review_text)
    for side in ("users", "items"):
        np.testing.assert_allclose(*(getattr(each, side) for each in embeddings), rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "are_read"),
    [({}, True), ({"exclude_target": "edge"}, False), ({"text_encoder": "none"}, False)],
    ids=str,
)
def test_reviews_are_read_where_a_loss_needs_them(dataset, settings, are_read, monkeypatch):
    read = []
    features = ReviewDataset.text_features
    monkeypatch.setattr(
        ReviewDataset,
        "text_features",
        lambda self, encoder, rows: read.append(rows) or features(self, encoder, rows),
    )
    inputs = TrainInputs.from_dataset(dataset, _config().replace(**settings))
    assert (inputs.review_text is not None) == ("reviews" in read) == are_read
