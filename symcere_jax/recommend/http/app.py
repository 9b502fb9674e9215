"""The service: recommend, new user, similar, search, explain; health, metrics, and a page.

| method, path | body | answer |
|---|---|---|
| POST /recommend | users, k, exclude_seen, filter_items | rankings |
| POST /new_user | items, texts, k, exclude_seen, filter_items | rankings |
| POST /similar | items, k, filter_items | rankings |
| POST /search | text, k, filter_items | rankings |
| POST /explain | user, item | the parts of a score |
| GET /health | | the model that is served |
| GET /examples | | a few ids of users and items |
| GET /metrics | | requests and latencies, for Prometheus |
| GET / | | a page to try it |

A request that is malformed gets 422, one with an unknown id 404, one that is too large 413, each
with `{"error": …}`. A search of which no word is known gets 422 too; words that did not count are
in `unknown_words` of an answer.
"""

import dataclasses
import json
import secrets
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse

from symcere_jax.errors import SymcereError
from symcere_jax.recommend.formats import titled_entries
from symcere_jax.recommend.http import schemas
from symcere_jax.recommend.http.batching import Batcher
from symcere_jax.recommend.http.limits import BodyLimit, NoSniff
from symcere_jax.recommend.http.metrics import add_metrics
from symcere_jax.recommend.http.model import ServedModel
from symcere_jax.recommend.ids import UnknownIdError
from symcere_jax.recommend.recommender import NewUser

MAX_BODY_BYTES = 4 << 20
N_EXAMPLES = 2


class AsciiJSONResponse(JSONResponse):
    """JSON in ASCII: whatever a message quotes, it can be encoded."""

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def create_app(model: ServedModel) -> FastAPI:
    """The service of a model.

    Args:
        model: may be reloaded while the service runs.
    """
    app = FastAPI(title="symcere_jax", default_response_class=AsciiJSONResponse)
    _add_errors(app)
    _add_pages(app, model)
    _add_recommendations(app, model)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(NoSniff)
    add_metrics(app, model)  # the last, which is the outermost
    return app


def _add_recommendations(app: FastAPI, model: ServedModel) -> None:
    batcher = Batcher()

    # Plain functions: the framework runs them in threads, so that none blocks another.
    @app.post("/recommend")
    def recommend(request: schemas.RecommendRequest) -> list[schemas.UserRanking]:
        recommender = model.recommender
        options = {"exclude_seen": request.exclude_seen}
        if request.filter_items is None:
            found = batcher.recommend(recommender, request.users, request.k, **options)
        else:
            found = recommender.recommend(
                request.users, request.k, filter_items=request.filter_items, **options
            )
        return _answer(
            {"user_id": user, "items": titled_entries(recommender, ranking)}
            for user, ranking in zip(request.users, found, strict=True)
        )

    @app.post("/new_user")
    def new_user(request: schemas.NewUserRequest) -> list[schemas.NewUserRanking]:
        recommender = model.recommender
        [found] = recommender.recommend_new(
            [NewUser(request.items, request.texts)],
            request.k,
            exclude_seen=request.exclude_seen,
            filter_items=request.filter_items,
        )
        unknown = [word for text in request.texts for word in recommender.unknown_words(text)]
        items = titled_entries(recommender, found)
        return _answer([{"user_id": None, "items": items, "unknown_words": unknown}])

    @app.post("/similar")
    def similar(request: schemas.SimilarRequest) -> list[schemas.ItemRanking]:
        recommender = model.recommender
        found = recommender.similar_items(
            request.items, request.k, filter_items=request.filter_items
        )
        return _answer(
            {"item_id": item, "items": titled_entries(recommender, ranking)}
            for item, ranking in zip(request.items, found, strict=True)
        )

    @app.post("/search")
    def search(request: schemas.SearchRequest) -> list[schemas.TextRanking]:
        recommender = model.recommender
        found = recommender.search(request.text, request.k, filter_items=request.filter_items)
        items = titled_entries(recommender, found)
        unknown = recommender.unknown_words(request.text)
        return _answer([{"text": request.text, "items": items, "unknown_words": unknown}])

    @app.post("/explain")
    def explain(request: schemas.ExplainRequest) -> dict[str, Any]:
        recommender = model.recommender
        found = recommender.explain(request.user, request.item)
        history = titled_entries(recommender, found.history)
        return _answer(dataclasses.asdict(found) | {"history": history})


def _answer(content: Any) -> Any:
    # Returned as a response: what is known to be well-formed is not validated again.
    return AsciiJSONResponse(content if isinstance(content, dict) else list(content))


def _add_pages(app: FastAPI, model: ServedModel) -> None:
    page = resources.files("symcere_jax.recommend.http").joinpath("page.html").read_text("utf-8")

    @app.get("/", include_in_schema=False)
    def index() -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; connect-src 'self'; img-src data:; script-src 'nonce-{nonce}'; "
            f"style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'"
        )
        headers = {"Content-Security-Policy": policy}
        return HTMLResponse(page.replace("{{nonce}}", nonce), headers=headers)

    @app.get("/health")
    def health() -> dict[str, Any]:
        recommender = model.recommender
        return {
            "status": "ok",
            "dataset": recommender.name,
            "n_users": len(recommender.users),
            "n_items": len(recommender.items),
            "step": recommender.metadata.progress.best_step,
            "reads_text": recommender.encoder is not None,
        }

    @app.get("/examples")
    def examples() -> dict[str, list[str]]:
        ids = (model.recommender.users.ids, model.recommender.items.ids)
        return {
            name: list(of[:N_EXAMPLES]) for name, of in zip(("users", "items"), ids, strict=True)
        }


def _add_errors(app: FastAPI) -> None:
    def answer(status: int, message: str) -> AsciiJSONResponse:
        return AsciiJSONResponse({"error": message}, status)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        # What was sent is not sent back: it may be huge, or no JSON at all.
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()[:5]
        ]
        return answer(422, "; ".join(problems))

    @app.exception_handler(SymcereError)
    def refused(request: Request, error: SymcereError) -> Response:
        return answer(404 if isinstance(error, UnknownIdError) else 422, str(error))

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Response:
        return answer(error.status_code, str(error.detail))
