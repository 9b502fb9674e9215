"""A limit on the size of requests."""

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
