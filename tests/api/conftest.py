import pytest

from symcere_jax import hints


@pytest.fixture(autouse=True, scope="module")
def _no_command_runs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hints, "in_command", False)
        yield
