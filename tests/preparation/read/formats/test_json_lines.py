"""The fast way and the careful way give the same rows, and the same errors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.formats import json_lines
from symcere_jax.preparation.read.rows import ReadingLog

WANTED = ("id", "n", "text")


def read(path, policy="skip"):
    log = ReadingLog(policy, 1)
    rows = []
    for block in json_lines.read_json_lines(path, WANTED, log):
        columns = {name: column.to_pylist() for name, column in block.columns.items()}
        for place, line in enumerate(block.lines.tolist()):
            rows.append((line, {name: columns.get(name, [None] * 10**4)[place] for name in WANTED}))
    return rows, log.dropped


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(json_lines, "_HEAD_BYTES", 60)
    monkeypatch.setattr(json_lines, "_BLOCK_BYTES", 200)


def test_the_fast_way_is_taken(tmp_path, small_blocks, monkeypatch):
    path = tmp_path / "r.jsonl"
    rows = [{"id": f"u{n}", "n": n, "text": "é" * (n % 5), "other": [n]} for n in range(60)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    parsed = []
    careful = json_lines.parse_line
    monkeypatch.setattr(
        json_lines, "parse_line", lambda line, where: (parsed.append(line), careful(line, where))[1]
    )
    found, _ = read(path)
    assert [line for line, _ in found] == list(range(1, 61))
    assert [row for _, row in found] == [{name: row[name] for name in WANTED} for row in rows]
    assert 0 < len(parsed) < 10  # the head alone


def as_text(row: dict) -> dict:
    return {n: str(float(v)) if isinstance(v, int) else v and str(v) for n, v in row.items()}


VALUES = st.one_of(st.none(), st.integers(-5, 2**52), st.text(max_size=5))
LINES = st.one_of(
    st.fixed_dictionaries({}, optional=dict.fromkeys(WANTED, VALUES)).map(json.dumps),
    st.fixed_dictionaries({"id": st.text(max_size=3), "n": st.integers(0, 9)}).map(json.dumps),
    st.sampled_from(
        ["", "  ", "{", '{"id": "a"} {"id": "b"}', "[1]", '{"id":', '"b"}', '{"id": [1]}']
    ),
)


@given(st.lists(LINES, max_size=40))
def test_blocks_and_the_fast_way_do_not_show(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("any") / "r.jsonl"
    path.write_text("\n".join(lines) or " ")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_HEAD_BYTES", 30)
        patch.setattr(json_lines, "_BLOCK_BYTES", 120)
        fast, fast_bad = read(path)
        patch.setattr(json_lines, "_parse_fast", lambda *arguments: None)
        careful, careful_bad = read(path)
    # In a block of its own, a number stays a number; beside strings, it becomes one.
    assert [(line, as_text(row)) for line, row in fast] == [
        (line, as_text(row)) for line, row in careful
    ]
    assert fast_bad == careful_bad


def test_a_bad_line_far_down_is_named(tmp_path, small_blocks):
    path = tmp_path / "r.jsonl"
    lines = [json.dumps({"id": f"u{n}", "n": n, "text": ""}) for n in range(100)]
    lines[77] = lines[77][:-4]
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="line 78: not valid JSON"):
        read(path, "fail")
    rows, counts = read(path)
    assert len(rows) == 99
    assert counts == {"bad row: not valid JSON": 1}


def test_a_file_without_lines_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "_MAX_LINE_BYTES", 100_000)
    (tmp_path / "r.jsonl").write_bytes(bytes(300_000))
    with pytest.raises(DataError, match="a line is longer than"):
        read(tmp_path / "r.jsonl")


def test_two_objects_on_a_line_count_as_two(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"id": "a"}\n{"id": "b"}{"id": "c"}\n{"id": "d"}}\n')
    rows, counts = read(path)
    assert ([row["id"] for _, row in rows], counts.total()) == (["a"], 3)
