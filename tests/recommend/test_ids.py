import pytest

from symcere_jax.errors import DataError
from symcere_jax.recommend import read_ids


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_ids_of_a_file(tmp_path, mark):
    path = tmp_path / "ids.txt"
    path.write_bytes(mark + "anna\r\n\n bert, the 2nd\nçelik\n".encode())
    assert read_ids(path) == ["anna", " bert, the 2nd", "çelik"]


def test_a_file_that_is_not_utf_8(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_bytes("çelik\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"ids\.txt: not readable .* one id a line is expected"):
        read_ids(path)
