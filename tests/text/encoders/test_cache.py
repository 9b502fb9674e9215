import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.text.encoders.cache import VectorCache

TEXTS = [f"text {n}" for n in range(20)]
VECTORS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)


def test_what_was_added_is_found_again(tmp_path):
    cache = VectorCache(tmp_path / "a", 3)
    assert cache.missing(["x", "y", "x"]) == [0, 1]
    cache.add(TEXTS[:15], VECTORS[:15])
    np.testing.assert_array_equal(cache.get(TEXTS[3:9]), VECTORS[3:9])
    cache.save()
    cache.save()  # nothing to write
    cache.add(TEXTS[15:], VECTORS[15:])
    cache.save()
    again = VectorCache(tmp_path / "a", 3)
    assert len(again) == 20
    assert again.missing([*TEXTS, "new"]) == [20]
    np.testing.assert_array_equal(again.get(TEXTS[::-1]), VECTORS[::-1])
    assert len(list((tmp_path / "a").iterdir())) == 4
    with pytest.raises(KeyError):
        again.get(["new"])


def test_it_is_saved_as_time_goes_by(tmp_path):
    slow = VectorCache(tmp_path, 3, save_every=1000)
    slow.add(TEXTS[:4], VECTORS[:4])
    assert len(VectorCache(tmp_path, 3)) == 0
    fast = VectorCache(tmp_path, 3, save_every=0)
    fast.add(TEXTS[:4], VECTORS[:4])
    assert len(VectorCache(tmp_path, 3)) == 4


def test_what_is_damaged_is_encoded_anew(tmp_path):
    for part in (slice(0, 5), slice(5, 10), slice(10, 15), slice(15, 20)):
        cache = VectorCache(tmp_path, 3)
        cache.add(TEXTS[part], VECTORS[part])
        cache.save()
    keys = sorted(tmp_path.glob("*.keys.npy"))
    keys[0].write_bytes(b"")
    keys[1].with_name(keys[1].name.replace("keys", "vectors")).unlink()
    np.save(keys[2].with_name(keys[2].name.replace("keys", "vectors")), VECTORS[:2])
    (tmp_path / "1.keys.npy.tmp").write_bytes(b"half")
    left = VectorCache(tmp_path, 3)
    assert left.missing(TEXTS) == list(range(15))
    assert len(VectorCache(tmp_path, 4)) == 0  # vectors of another width


def test_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"--text_cache: .*; name another folder"):
        VectorCache(tmp_path / "file" / "cache", 3)


def test_a_folder_that_cannot_be_written_to(tmp_path):
    cache = VectorCache(tmp_path / "a", 3)
    cache.add(TEXTS[:1], VECTORS[:1])
    (tmp_path / "a").rmdir()
    with pytest.raises(DataError, match="--text_cache: cannot write to"):
        cache.save()
