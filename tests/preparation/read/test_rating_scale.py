import numpy as np
import pytest

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.summary import summary


def prepared(folder, ratings, **settings):
    """A folder of one user who rated an item each; the numbers of its ratings are theirs."""
    path = folder / f"reviews_{len(list(folder.iterdir()))}.csv"
    rows = (f"u,i{row:03},{'' if x is None else x}\n" for row, x in enumerate(ratings))
    path.write_text("user_id,item_id,rating\n" + "".join(rows))
    options = {"k_core": 1, "text_encoder": "none", "test_share": 0.0, "valid_share": 0.0}
    options |= {"source": "table", "input": path, "output": folder / "data", "overwrite": True}
    prepare(PrepareSettings(**options | settings))
    return ReviewDataset.load(folder / "data")


def ratings_of(dataset):
    return dataset.reviews(["rating"])["rating"].to_numpy()


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [
        ([1, 3, 5, 4.5], (1, 5)),
        ([0, 1, 1, 0], (0, 1)),
        ([0.5, 5, 3.5], (0.5, 5)),
        ([0, 5, 3], (0, 5)),
        ([1, 10, 7], (1, 10)),
        ([0, 10, 7.5], (0, 10)),
        ([-5, 5, 0], (-5, 5)),
        ([100, 20, 1], (1, 100)),
        ([0, 100, 55, None], (0, 100)),
    ],
)
def test_ratings_come_to_one_to_five(tmp_path, ratings, scale):
    dataset = prepared(tmp_path, ratings)
    low, high = scale
    expected = [1 + 4 * ((np.nan if x is None else x) - low) / (high - low) for x in ratings]
    np.testing.assert_allclose(ratings_of(dataset), expected, rtol=1e-6)
    assert dataset.manifest.cleaning["rating_scale"] == list(scale)
    shown = [str(cell) for column in summary(dataset.manifest, 1).columns for cell in column._cells]
    assert (f"{low:g} … {high:g}" in shown) == (scale != (1, 5))


def test_a_scale_that_is_given_is_taken(tmp_path):
    dataset = prepared(tmp_path, [1, 3, 5], min_valid_rating=-5.0, max_valid_rating=5.0)
    np.testing.assert_allclose(ratings_of(dataset), [3.4, 4.2, 5.0], rtol=1e-6)
    with pytest.raises(DataError, match=r"line 3: rating is 7, must be in 1 … 6"):
        prepared(tmp_path, [2, 7], max_valid_rating=6.0)


def test_a_typo_does_not_stretch_the_scale(tmp_path):
    many = [1, 2, 3, 4, 5] * 8
    with pytest.raises(DataError, match=r"line 42: rating is 55, must be in 1 … 5; if that is not"):
        prepared(tmp_path, [*many, 55])
    dataset = prepared(tmp_path, [*many, 55], on_bad_row="skip", max_bad_share=0.1)
    assert dataset.manifest.dropped["bad row: rating out of range"] == 1
    np.testing.assert_array_equal(ratings_of(dataset), many)
    # Where several are beyond, it is another scale.
    assert prepared(tmp_path, [*many, 55, 80]).manifest.cleaning["rating_scale"] == [1, 100]


def test_too_many_that_are_beyond_end_the_run(tmp_path):
    with pytest.raises(DataError, match=r"1 of 41 rows are bad, .* the first: .*line 42: rating"):
        prepared(tmp_path, [1, 2, 3, 4, 5] * 8 + [55], on_bad_row="skip", max_bad_share=0.0)


def test_appended_ratings_are_on_the_scale_of_the_folder(tmp_path):
    prepared(tmp_path, [0, 10, 5])
    path = tmp_path / "more.csv"
    path.write_text("user_id,item_id,rating\nu,j,4\nu,k,\n")
    options = {"source": "table", "input": path, "output": tmp_path / "data", "append": True}
    prepare(PrepareSettings(**options, text_encoder="none"))
    found = ReviewDataset.load(tmp_path / "data")
    np.testing.assert_allclose(ratings_of(found), [1, 5, 3, 2.6, np.nan], rtol=1e-6)
    assert found.manifest.cleaning["rating_scale"] == [0, 10]
    path.write_text("user_id,item_id,rating\nu,l,11\n")
    with pytest.raises(DataError, match="rating is 11, must be in 0 … 10"):
        prepare(PrepareSettings(**options, text_encoder="none"))


def test_what_is_no_number_is_refused(tmp_path):
    with pytest.raises(DataError, match="line 3: rating is inf, no number"):
        prepared(tmp_path, [1, "inf"])
