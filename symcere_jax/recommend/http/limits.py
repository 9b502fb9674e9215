"""Limits on what requests may be, and on what browsers may take answers for."""

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware that refuses larger bodies by 413, whether they state their size or not.

    Args:
        app: what is called.
        max_bytes: the largest body allowed.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        message = f"the body is larger than {self._max_bytes} bytes"
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > self._max_bytes:
            await JSONResponse({"error": message}, 413)(scope, receive, send)
            return
        n_bytes = 0

        async def counted() -> Message:
            nonlocal n_bytes
            part = await receive()
            n_bytes += len(part.get("body", b""))
            if n_bytes > self._max_bytes:
                raise HTTPException(413, message)
            return part

        async def answered(part: Message) -> None:
            # A framework that takes the exception for a malformed body answers by 400.
            if n_bytes > self._max_bytes and part["type"] == "http.response.start":
                part = {**part, "status": 413}
            await send(part)

        await self._app(scope, counted, answered)


class NoSniff:
    """ASGI middleware: a browser takes no answer for HTML that is not said to be any.

    Args:
        app: what is called.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and adds a header to the answer."""

        async def answered(part: Message) -> None:
            if part["type"] == "http.response.start":
                headers = [*part.get("headers", []), (b"x-content-type-options", b"nosniff")]
                part = {**part, "headers": headers}
            await send(part)

        await self._app(scope, receive, answered)
