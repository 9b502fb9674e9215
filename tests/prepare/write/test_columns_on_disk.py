import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.prepare.write.columns_on_disk import NpyFile, compact, mapped


@given(st.lists(st.integers(0, 50), max_size=5), st.booleans())
def test_a_growing_file_is_as_numpy_would_save_it(tmp_path_factory, sizes, pairs):
    folder = tmp_path_factory.mktemp("npy")
    shape = (2,) if pairs else ()
    rng = np.random.default_rng(0)
    blocks = [rng.integers(9, size=(n, *shape)).astype(np.int32) for n in sizes]
    with NpyFile(folder / "grown.npy", np.int32, shape) as file:
        for block in blocks:
            file.append(block)
    whole = np.concatenate([np.zeros((0, *shape), np.int32), *blocks])
    np.save(folder / "saved.npy", whole)
    assert (folder / "grown.npy").read_bytes() == (folder / "saved.npy").read_bytes()
    assert file.n_rows == len(whole)
    np.testing.assert_array_equal(mapped(folder / "grown.npy"), whole)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 8))
def test_kept_rows_move_to_the_front(kept, block):
    array = np.arange(len(kept))
    expected = array[np.array(kept, bool)]
    np.testing.assert_array_equal(compact(array, np.array(kept, bool), block), expected)


def test_a_mapped_file_can_be_changed(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(5))
    array = mapped(tmp_path / "a.npy")
    array[2] = 9
    array.flush()
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 9, 3, 4]
