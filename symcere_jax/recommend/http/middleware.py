"""ASGI middleware: a limit on the bodies of requests, and metrics for Prometheus."""

import time
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def limit_body(app: ASGIApp, max_bytes: int) -> ASGIApp:
    """Reads the bodies of requests, and refuses larger ones with status 413."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body, has_more = b"", True
        while has_more:
            part = await receive()
            if part["type"] == "http.disconnect":
                return
            body += part.get("body", b"")
            has_more = part.get("more_body", False)
            if len(body) > max_bytes:
                message = f"the body is larger than {max_bytes} bytes"
                await JSONResponse({"error": message}, 413)(scope, receive, send)
                return
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return parts.pop() if parts else await receive()

        await app(scope, replay, send)

    return call


def count_requests(app: ASGIApp, registry: CollectorRegistry, paths: Collection[str]) -> ASGIApp:
    """Counts answers and measures their latency.

    A request that ends in an exception before its answer counts as a 500: that is how the framework
    answers it, outside of all middleware.

    Args:
        app: what is called.
        registry: of the metrics.
        paths: that exist; others are counted together, or their labels would fill the memory.
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
