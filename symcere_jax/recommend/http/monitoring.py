"""Metrics for Prometheus: requests by path and status, latencies, and the served model."""

import time
from collections.abc import Collection

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from symcere_jax.recommend.http.model import ServedModel

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def add_metrics(app: FastAPI, model: ServedModel) -> None:
    """Adds `GET /metrics`, and counts requests of the paths that the app has."""
    registry = CollectorRegistry()
    for name, text, value in (
        ("symcere_reloads", "Models that replaced the first one.", lambda: model.n_reloads),
        ("symcere_failed_reloads", "Reloads that failed.", lambda: model.n_failed_reloads),
        ("symcere_model_step", "Training steps of the served model.", lambda: model.step),
    ):
        Gauge(name, text, registry=registry).set_function(value)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    paths = {route.path for route in app.routes if isinstance(route, Route)}
    app.add_middleware(_count_requests, registry=registry, paths=paths)


def _count_requests(app: ASGIApp, registry: CollectorRegistry, paths: Collection[str]) -> ASGIApp:
    """Counts answers and measures their latency, by path.

    Paths that do not exist count together: their labels would fill the memory. A request that ends
    in an exception counts as a 500, as the framework answers it, outside of all middleware.
    """
    requests = Counter(
        "symcere_requests", "Requests answered.", ["path", "status"], registry=registry
    )
    seconds = Histogram(
        "symcere_request_seconds", "Latency.", ["path"], buckets=_BUCKETS, registry=registry
    )

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def record(part: Message) -> None:
            nonlocal status
            if part["type"] == "http.response.start":
                status = part["status"]
            await send(part)

        try:
            await app(scope, receive, record)
        finally:
            path = scope["path"] if scope["path"] in paths else "other"
            requests.labels(path, status).inc()
            seconds.labels(path).observe(time.perf_counter() - start)

    return call
