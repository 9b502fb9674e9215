import contextlib
import importlib.metadata
import re

import pytest

from tests import oldest


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


@pytest.mark.parametrize("extras", [False, True])
def test_every_dependency_has_an_oldest_version_and_this_environment_a_newer_one(extras):
    versions = oldest.constraints(extras=extras)
    assert {"jax", "flax", "optax", "jraph", "orbax-checkpoint", "transformers"} <= set(versions)
    # What only an extra needs may be missing here.
    missing = importlib.metadata.PackageNotFoundError if extras else ()
    for name, version in versions.items():
        with contextlib.suppress(missing):
            here = _numbers(importlib.metadata.version(name))
            assert here[: len(_numbers(version))] >= _numbers(version), name
