import pytest
from starlette.testclient import TestClient

from symcere_jax.recommend.http import ServedModel, create_app


@pytest.fixture(scope="session")
def model(workdir, dataset):
    return ServedModel(workdir, dataset.folder)


@pytest.fixture(scope="session")
def client(model):
    # With this, an error of the service would be raised here instead of being answered by a 500.
    with TestClient(create_app(model), raise_server_exceptions=True) as it:
        yield it
