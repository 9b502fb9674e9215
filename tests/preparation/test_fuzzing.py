"""Whatever a file holds, the end is a prepared folder or one clear error, never half of one."""

import gzip
import io
import json
import lzma
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symcere_jax.errors import DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings

TABLE = {"user_id": "u", "item_id": "i", "rating": 3, "timestamp": 5, "text": "some <b>t&eacute;xt"}
YELP = {"user_id": "u", "business_id": "i", "stars": 3, "text": "t", "date": "2018-07-07 22:09:11"}
HOTEL = {
    "hotel_url": "Hotel_Review-g1-d2-Reviews-Inn-Rome_Lazio.html",
    "author": "u",
    "date": "2019-01-01",
    "rating": 3.0,
    "title": "t",
    "text": "x",
}
LARA = b"<Author>ann\n<Content>Fine\n<Date>May 1, 2005\n<Rating>4\t-1\n\n"


def _json(row: dict) -> bytes:
    return b"".join(json.dumps(row | {"n": n}).encode() + b"\n" for n in range(4))


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([TABLE] * 4), buffer)
    return buffer.getvalue()


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


CSV = b'user_id,item_id,rating,timestamp,text\nu,i,3,5,"a ""b"", c"\nv,i,3,5,x\n'
FILES = {
    ("table", "r.jsonl"): _json(TABLE),
    ("table", "r.jsonl.gz"): gzip.compress(_json(TABLE)),
    ("table", "r.csv"): CSV,
    ("table", "r.tsv"): CSV.replace(b",", b"\t"),
    ("table", "r.parquet"): _parquet(),
    ("table", "r.parquet.gz"): gzip.compress(_parquet()),
    ("yelp", "r.json"): _json(YELP),
    ("hotelrec", "r.txt.xz"): lzma.compress(_json(HOTEL)),
    ("tripadvisor_lara", "r.tar"): _tar("hotel_1_parsed.txt", LARA * 3),
}
PIECES = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b"\xff\xfe", b"\x00", b"\n", b"\r\n", b'"', b",", b"{", b"[", b"null", b"1e999", b"-1",
         b"NaN", b"\\ud800", b'"a"', b"99999999999999999999", b"<Author>", b"{}\n", b"\xef\xbb\xbf"]
    ),
)  # fmt: skip
# Where (as a share of the file), how many bytes go, and what takes their place.
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), max_size=4)


@pytest.mark.parametrize(("source", "name"), FILES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, cut=st.none() | st.floats(0, 1), skip=st.booleans())
def test_damaged_files(tmp_path_factory, source, name, edits, cut, skip):
    content = FILES[source, name]
    for share, n_gone, piece in edits:
        start = int(share * len(content))
        content = content[:start] + piece + content[start + n_gone :]
    if cut is not None:
        content = content[: int(cut * len(content))]
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / name
    path.write_bytes(content)
    settings = PrepareSettings(
        source=source,
        input=path,
        output=folder / "out",
        text_encoder="none",
        drop_copies=skip,
        on_bad_row="skip" if skip else "fail",
        max_bad_share=0.9,
        threads=1,
    )
    try:
        manifest = prepare(settings).manifest
    except DataError as error:
        assert len(str(error)) > 10
        assert list(folder.iterdir()) == [path]
    else:
        assert manifest.n_reviews > 0
        assert (
            manifest.n_reviews + sum(manifest.dropped.values()) == manifest.statistics["raw_rows"]
        )
        assert sorted(folder.iterdir()) == sorted([path, folder / "out"])
