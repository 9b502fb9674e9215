"""The HTTP service: recommend, new user, similar, search, explain; health, metrics, and a page.

docs/serving.md lists the requests. A malformed one, or a search without a known word, gets status
422, one with an unknown id 404, both with `{"error": …}`; one that is too large gets 413.
"""

import dataclasses
import json
import secrets
from collections.abc import Iterable
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse

from symcere_jax.errors import SymcereError
from symcere_jax.recommend.formats import item_entries, ranking_entries
from symcere_jax.recommend.http import schemas
from symcere_jax.recommend.http.batching import Batcher
from symcere_jax.recommend.http.model import ServedModel
from symcere_jax.recommend.http.monitoring import add_metrics
from symcere_jax.recommend.ids import UnknownIdError
from symcere_jax.recommend.recommender import NewUser, Recommender

MAX_BODY_BYTES = 4 << 20
N_EXAMPLES = 2


class AsciiJSONResponse(JSONResponse):
    """JSON in ASCII, so that whatever a message quotes can be encoded; never taken for HTML."""

    def __init__(self, content: Any, status_code: int = 200, **options: Any) -> None:
        super().__init__(content, status_code, **options)
        self.headers["X-Content-Type-Options"] = "nosniff"

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def create_app(model: ServedModel) -> FastAPI:
    """The service of a model, which may be reloaded meanwhile."""
    app = FastAPI(
        title="symcere_jax",
        default_response_class=AsciiJSONResponse,
        max_body_size=MAX_BODY_BYTES,
        docs_url=None,  # its scripts come from elsewhere on the web
        redoc_url=None,
    )
    _add_errors(app)
    _add_pages(app, model)
    _add_recommendations(app, model)
    add_metrics(app, model)
    return app


def _add_recommendations(app: FastAPI, model: ServedModel) -> None:
    batcher = Batcher()

    # Plain functions: the framework runs them in threads, so that none blocks another. They return
    # responses, which are not validated again.
    @app.post("/recommend", response_model=list[schemas.Ranking])
    def recommend(request: schemas.RecommendRequest) -> Response:
        recommender, choice = _chosen(model, request)
        users, k, unseen = request.users, request.k, request.exclude_seen
        if request.filter_items is None and not (request.exclude_items or request.new_items):
            rankings = batcher.recommend(recommender, users, k, exclude_seen=unseen)
        else:
            rankings = recommender.recommend(users, k, exclude_seen=unseen, **choice)
        entries = ranking_entries(recommender, "user_id", users, rankings)
        return AsciiJSONResponse(list(entries))

    @app.post("/new_user", response_model=list[schemas.Ranking])
    def new_user(request: schemas.NewUserRequest) -> Response:
        recommender, choice = _chosen(model, request)
        [ranking] = recommender.recommend_new(
            [NewUser(request.items, request.texts, request.user)],
            request.k,
            exclude_seen=request.exclude_seen,
            **choice,
        )
        unknown = recommender.unknown_words(*request.texts)
        items = item_entries(recommender, ranking)
        entry = {"user_id": request.user, "items": items, "unknown_words": unknown}
        return AsciiJSONResponse([entry])

    @app.post("/similar", response_model=list[schemas.Ranking])
    def similar(request: schemas.SimilarRequest) -> Response:
        recommender, choice = _chosen(model, request)
        rankings = recommender.similar_items(request.items, request.k, **choice)
        entries = ranking_entries(recommender, "item_id", request.items, rankings)
        return AsciiJSONResponse(list(entries))

    @app.post("/search", response_model=list[schemas.Ranking])
    def search(request: schemas.SearchRequest) -> Response:
        recommender, choice = _chosen(model, request)
        ranking = recommender.search(request.text, request.k, **choice)
        items = item_entries(recommender, ranking)
        unknown = recommender.unknown_words(request.text)
        return AsciiJSONResponse([{"text": request.text, "items": items, "unknown_words": unknown}])

    @app.post("/explain")
    def explain(request: schemas.ExplainRequest) -> Response:
        recommender = model.recommender
        explanation = recommender.explain(request.user, request.item)
        history = item_entries(recommender, explanation.history)
        return AsciiJSONResponse(dataclasses.asdict(explanation) | {"history": history})


def _chosen(
    model: ServedModel, request: schemas.RankingRequest
) -> tuple[Recommender, dict[str, Any]]:
    """The recommender, which knows the new items of a request, and the items to choose from."""
    recommender = model.recommender
    if request.new_items:
        recommender = recommender.with_items(request.new_items)
    choice = {"filter_items": request.filter_items, "exclude_items": request.exclude_items}
    return recommender, choice


def _add_pages(app: FastAPI, model: ServedModel) -> None:
    page = resources.files("symcere_jax.recommend.http").joinpath("page.html").read_text("utf-8")

    @app.get("/", include_in_schema=False)
    def index() -> Response:
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
            "dataset": recommender.metadata.dataset,
            "n_users": len(recommender.users),
            "n_items": len(recommender.items),
            "step": model.step,
            "reads_text": recommender.texts.encoder is not None,
        }

    @app.get("/examples")
    def examples() -> dict[str, list[str]]:
        users, items = model.recommender.users.ids, model.recommender.items.ids
        return {"users": list(users[:N_EXAMPLES]), "items": list(items[:N_EXAMPLES])}


def _add_errors(app: FastAPI) -> None:
    def answer(status: int, messages: Iterable[str]) -> Response:
        return AsciiJSONResponse({"error": "; ".join(messages)}, status)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        # What was sent is not sent back: it may be huge, or no JSON at all.
        problems = error.errors()[:5]
        return answer(422, (f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems))

    @app.exception_handler(SymcereError)
    def refused(request: Request, error: SymcereError) -> Response:
        return answer(404 if isinstance(error, UnknownIdError) else 422, [str(error)])

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Response:
        return answer(error.status_code, [str(error.detail)])
