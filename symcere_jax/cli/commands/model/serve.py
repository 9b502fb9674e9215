r"""Serves a trained model over HTTP.

  pip install 'symcere-jax[serve]'
  python launch/serve.py --workdir=runs/shop --dataset=data/shop --port=8000

A page to try it is at http://127.0.0.1:8000/, the API at /docs, /health and /metrics are for the
machinery around it. A newer checkpoint in the workdir is taken up by itself (--watch_seconds) or by
`kill -HUP`, and no request is lost: those under way end with the model that they began with. It
trusts whoever can reach it; put what checks and encrypts in front before it faces a network.
"""

import asyncio
import contextlib
import logging
import signal
import socket

from absl import flags

from symcere_jax.cli import app as cli
from symcere_jax.errors import ConfigError
from symcere_jax.recommend.retrieval import EXACT, INDEX_HELP, INDEXES

_DATASET = flags.DEFINE_string(
    "dataset", None, "prepared folder that the model was trained on", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "address to listen at; 0.0.0.0: all")
_PORT = flags.DEFINE_integer("port", 8000, "port to listen at; 0: a free one", 0, 65535)
_WATCH = flags.DEFINE_float(
    "watch_seconds", 10.0, "how often to look for a newer checkpoint; 0: never", 0.0
)
_INDEX = flags.DEFINE_enum("index", EXACT, INDEXES, INDEX_HELP)


def main() -> None:
    """Loads the model, then serves until SIGINT or SIGTERM; requests under way are ended first."""
    try:
        import uvicorn

        from symcere_jax.recommend.http import ServedModel, create_app
    except ImportError as error:
        raise ConfigError(
            f"serving needs more packages ({error}): pip install 'symcere-jax[serve]'"
        ) from None
    _check_address(_HOST.value, _PORT.value)
    logging.getLogger("symcere_jax").setLevel(logging.INFO)
    model = ServedModel(_WORKDIR.value, _DATASET.value, index=_INDEX.value)
    config = uvicorn.Config(
        create_app(model),
        host=_HOST.value,
        port=_PORT.value,
        access_log=False,
        timeout_graceful_shutdown=30,
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, model.reload))
        watching = asyncio.create_task(watch())
        try:
            await server.serve()
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def watch() -> None:
        while _WATCH.value:
            await asyncio.sleep(_WATCH.value)
            await asyncio.to_thread(model.reload_if_new)

    # To stop a service is no failure: uvicorn raises the signal again once all requests are ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


def _check_address(host: str, port: int) -> None:
    """Fails before the model is loaded where uvicorn would after it."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {host}:{port} ({error.strerror or error}): choose another --port, "
            "or another --host"
        ) from None


def run() -> None:
    """The installed command."""
    cli.run(main)
