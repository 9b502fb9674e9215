import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.report.records import read_record, to_json


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    value: float | None = None


@dataclasses.dataclass(frozen=True)
class Whole:
    parts: list[Part]
    pair: tuple[float, ...]
    by_name: dict[str, Part]
    anything: Mapping[str, Any]
    count: int
    part: Part | None


WHOLE = Whole(
    parts=[Part("a", 0.5), Part("é", None)],
    pair=(1.0, 2.0),
    by_name={"b": Part("b", 2.0)},
    anything={"text": "none", "list": [1, 2]},
    count=3,
    part=None,
)


def test_a_record_comes_back(tmp_path):
    (tmp_path / "whole.json").write_text(to_json(WHOLE), encoding="utf-8")
    assert read_record(tmp_path / "whole.json", Whole, "again") == WHOLE


def test_numbers_that_json_lacks_and_arrays():
    content = {"nan": float("nan"), "list": [float("inf")], "array": np.zeros(3)}
    assert json.loads(to_json(content)) == {"nan": None, "list": [None]}


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"\xff",
        b"[]",
        b"{}",
        '{"name": 1}',
        '{"name": [1]}',
        '{"name": "a", "value": []}',
    ],
)
def test_malformed_records_are_refused(tmp_path, content):
    path = tmp_path / "part.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=r"part\.json: no Part .*; write it again"):
        read_record(path, Part, "write it again")
