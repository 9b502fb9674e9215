import re

import pytest
from starlette.testclient import TestClient

from symcere_jax.recommend.http import create_app
from symcere_jax.recommend.recommender import Recommender


@pytest.fixture
def client(model):
    # Errors of the service are answered by a 500, as they are outside of tests.
    with TestClient(create_app(model), raise_server_exceptions=False) as it:
        yield it


def count(client, path, status):
    text = client.get("/metrics").text
    pattern = rf'symcere_requests_total{{path="{path}",status="{status}"}} ([0-9.]+)'
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def test_requests_are_counted_by_path_and_status(client):
    client.post("/search", json={"text": "pool"})
    client.post("/search", json={"text": 7})
    client.get("/search")
    client.get("/some/secret/path")
    for path, status in (("/search", 200), ("/search", 422), ("/search", 405), ("other", 404)):
        assert count(client, path, status) == 1
    after = client.get("/metrics").text
    assert "secret" not in after
    assert 'symcere_request_seconds_bucket{le="0.005",path="/search"}' in after
    assert 'symcere_request_seconds_count{path="/search"} 3.0' in after
    assert count(client, "/metrics", 200) >= 5


def test_bodies_that_are_too_large_are_counted(client):
    for n in (1, 2):
        assert client.post("/search", content=b"x" * (5 << 20)).status_code == 413
        assert client.post("/search", content=iter([b"x" * (1 << 20)] * 6)).status_code == 413
        assert count(client, "/search", 413) == 2 * n


def test_defects_are_counted(client, monkeypatch):
    def failing(*arguments, **options):
        raise RuntimeError("a defect")

    monkeypatch.setattr(Recommender, "similar_items", failing)
    assert client.post("/similar", json={"items": ["item-03"]}).status_code == 500
    assert count(client, "/similar", 500) == 1
    assert 'symcere_request_seconds_count{path="/similar"} 1.0' in client.get("/metrics").text
