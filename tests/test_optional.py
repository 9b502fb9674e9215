import sys

import pytest

from symcere_jax.errors import ConfigError
from symcere_jax.optional import require


def test_what_is_installed_is_imported():
    assert require("json.decoder", extra="report") is sys.modules["json.decoder"]


def test_a_missing_package_names_its_extra(monkeypatch):
    for module in ("no_such_package", "no_such_package.part"):
        with pytest.raises(ConfigError) as caught:
            require(module, extra="report")
        assert "pip install 'symcere-jax[report]'" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_package_that_lacks_another_one_is_broken(monkeypatch, tmp_path):
    (tmp_path / "broken_package.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        require("broken_package", extra="report")
