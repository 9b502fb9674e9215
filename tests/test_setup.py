import importlib.metadata
import re

from tests import oldest


def test_every_dependency_has_an_oldest_version_and_this_environment_a_newer_one():
    lines = oldest.constraints(extras=("baselines", "ann", "serve"))
    assert len(lines) > 25
    for line in lines:
        name, version = line.split("==")
        found = importlib.metadata.version(name)
        numbers = [[int(n) for n in re.findall(r"\d+", text)] for text in (found, version)]
        assert numbers[0][: len(numbers[1])] >= numbers[1][: len(numbers[0])], (line, found)
