"""Metrics for Prometheus: requests by path and status, latencies, and the model that is served."""

import time

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from symcere_jax.recommend.http.model import ServedModel

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def add_metrics(app: FastAPI, model: ServedModel) -> None:
    """Adds `GET /metrics`, and counts requests from now on.

    Args:
        app: has all its paths and all other middleware: what they answer is counted, too.
        model: may be reloaded.
    """
    registry = CollectorRegistry()
    requests = Counter(
        "symcere_requests", "Requests answered.", ["path", "status"], registry=registry
    )
    seconds = Histogram(
        "symcere_request_seconds", "Latency.", ["path"], buckets=_BUCKETS, registry=registry
    )
    for name, text, value in (
        ("symcere_reloads", "Models that replaced the first one.", lambda: model.n_reloads),
        ("symcere_failed_reloads", "Reloads that failed.", lambda: model.n_failed_reloads),
        (
            "symcere_model_step",
            "Training steps of the model that is served.",
            lambda: model.recommender.metadata.progress.best_step,
        ),
    ):
        Gauge(name, text, registry=registry).set_function(value)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    paths = frozenset(route.path for route in app.routes if isinstance(route, Route))
    app.add_middleware(Count, requests=requests, seconds=seconds, paths=paths)


class Count:
    """ASGI middleware that counts what is answered, and how long it took.

    A request that ends in an exception before its answer counts as a 500: by that the framework
    answers it, further out than any middleware.

    Args:
        app: what is called.
        requests: with labels path and status.
        seconds: with label path.
        paths: those that exist; others are counted together, or whoever tries them would fill the
            memory with labels.
    """

    def __init__(
        self, app: ASGIApp, requests: Counter, seconds: Histogram, paths: frozenset[str]
    ) -> None:
        self._app, self._requests, self._seconds, self._paths = app, requests, seconds, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and counts it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def answered(part: Message) -> None:
            nonlocal status
            if part["type"] == "http.response.start":
                status = part["status"]
            await send(part)

        try:
            await self._app(scope, receive, answered)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._requests.labels(path, status).inc()
            self._seconds.labels(path).observe(time.perf_counter() - start)
