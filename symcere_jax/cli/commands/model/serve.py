r"""Serves a trained model over HTTP.

  pip install 'symcere-jax[serve]'
  python launch/serve.py --workdir=runs/shop --dataset=data/shop --port=8000

From a model folder, which `symcere export` writes; a server needs nothing else:

  python launch/serve.py --model=shop.model

http://127.0.0.1:8000/ is a page to try it; /openapi.json describes the API; /health and /metrics
are for monitoring. When the workdir gets a newer checkpoint, or the model folder is replaced, the
service loads the new model (within --watch_seconds, or at once on `kill -HUP`) without losing a
request. It has neither authentication nor encryption: on a network, put a proxy that has both in
front of it.
"""

import asyncio
import contextlib
import logging
import signal
import socket

from absl import flags

from symcere_jax.cli.model_flags import define_index, model_location
from symcere_jax.errors import ConfigError
from symcere_jax.optional import require

_HOST = flags.DEFINE_string("host", "127.0.0.1", "address to listen on; 0.0.0.0: all")
_PORT = flags.DEFINE_integer("port", 8000, "port to listen on; 0: a free one", 0, 65535)
_WATCH = flags.DEFINE_float(
    "watch_seconds", 10.0, "seconds between checks for a newer model; 0: never check", 0.0
)
_INDEX = define_index()


def main() -> None:
    """Loads the model, then serves until SIGINT or SIGTERM; open requests are answered first."""
    location = model_location()
    uvicorn = require("uvicorn", extra="serve")
    for package in ("fastapi", "prometheus_client"):
        require(package, extra="serve")
    from symcere_jax.recommend.http import ServedModel, create_app

    _check_address(_HOST.value, _PORT.value)
    logging.getLogger("symcere_jax").setLevel(logging.INFO)
    model = ServedModel(*location, index=_INDEX.value)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(model),
            host=_HOST.value,
            port=_PORT.value,
            access_log=False,
            timeout_graceful_shutdown=30,
        )
    )

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, model.reload))
        watching = asyncio.create_task(watch())
        await server.serve()
        watching.cancel()

    async def watch() -> None:
        while _WATCH.value:
            await asyncio.sleep(_WATCH.value)
            await asyncio.to_thread(model.reload_if_new)

    # Stopping a service is no failure: uvicorn raises the signal again after the last answer.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


def _check_address(host: str, port: int) -> None:
    """Fails before the model is loaded, where uvicorn would fail after it."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port} ({error.strerror or error}): choose another --port or "
            "--host"
        ) from None
