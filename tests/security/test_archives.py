"""Archives: whatever their members are called or are, nothing is written outside of the output."""

import gzip
import io
import tarfile

import pytest

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import tripadvisor_lara

HOTEL = "".join(
    f"<Author>user{n}\n<Content>A fine view {n}\n<Date>Dec {n + 1}, 2008\n<Rating>4\t4\t4\n\n"
    for n in range(9)
).encode()


def _file(name: str, content: bytes = HOTEL) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def _special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


@pytest.fixture
def prepare_archive(tmp_path):
    """Prepares an archive of some members; returns the items that were found."""
    (tmp_path / "work").mkdir()
    (tmp_path / "secret").write_bytes(HOTEL)

    def run(*members: tuple[tarfile.TarInfo, bytes]) -> list[str]:
        path = tmp_path / "work" / "raw.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for member, content in members:
                archive.addfile(member, io.BytesIO(content))
        before = sorted(tmp_path.rglob("*"))
        output = tmp_path / "work" / "out"
        settings = PrepareSettings(
            source="tripadvisor_lara", input=path, output=output, text_encoder="none"
        )
        try:
            prepare(settings)
            return ReviewDataset.load(output).item_ids().tolist()
        finally:
            made = set(tmp_path.rglob("*")) - set(before)
            assert all(file.is_relative_to(output) for file in made), made
            assert not any(file.is_symlink() for file in made)
            assert (tmp_path / "secret").read_bytes() == HOTEL

    return run


@pytest.mark.parametrize("where", ["../../", "/", "/etc/../tmp/", "..", "a/../../../b/"])
def test_a_member_that_leads_out_is_read_in_passing_and_written_nowhere(prepare_archive, where):
    assert prepare_archive(_file(f"{where}/hotel_7_parsed.txt")) == ["7"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_are_not_followed(prepare_archive, tmp_path, kind):
    link = _special("hotel_8_parsed.txt", kind, str(tmp_path / "secret"))
    assert prepare_archive(link, _file("hotel_7_parsed.txt")) == ["7"]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_passed_over(prepare_archive, kind):
    members = (_special("hotel_8_parsed.txt", kind), _file("hotel_7_parsed.txt"))
    assert prepare_archive(*members) == ["7"]


def test_a_file_beyond_any_hotel_is_refused_before_it_is_read(tmp_path, monkeypatch):
    """The header says so; the file need not be there at all."""
    member, _ = _file("hotel_7_parsed.txt")
    member.size = 1 << 40
    path = tmp_path / "raw.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf() + HOTEL))
    settings = PrepareSettings(source="tripadvisor_lara", input=path, output=tmp_path / "out")
    with pytest.raises(DataError, match=r"hotel_7_parsed.txt: 1,099,511,627,776 bytes, more than"):
        prepare(settings)
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "hotel_7_parsed.txt").write_bytes(HOTEL)
    monkeypatch.setattr(tripadvisor_lara, "_MAX_BYTES", 100)
    settings = PrepareSettings(source="tripadvisor_lara", input=folder, output=tmp_path / "out")
    with pytest.raises(DataError, match="more than the reviews of a hotel can be"):
        prepare(settings)
