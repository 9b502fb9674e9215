"""The page, used in headless Chromium."""

import contextlib
import html
import json
import re
import socket
import threading
import time

import pytest
import uvicorn
from starlette.responses import HTMLResponse

from symcere_jax.recommend.http import create_app
from tests.browser import browse, needs_chromium

# A frame with the page: recommends to a user, then asks why the best item, then searches.
FRAME = """<!doctype html><body><iframe src="/" width=390 height=900></iframe><script>
const page = () => document.querySelector("iframe").contentDocument;
const texts = (form, what) =>
  [...page().forms[form].querySelectorAll(what)].map(node => node.textContent);
const fill = (form, field, value) => {
  page().forms[form].elements.namedItem(field).value = value;
  page().forms[form].requestSubmit();
};
const steps = [
  ["#model", () => fill("recommend", "users", "user-000")],
  ["form[name=recommend] table", () => page().querySelector("td:last-child button").click()],
  ["form[name=explain] table", () => fill("search", "text", "pool <b>qwertz</b>")],
  ["form[name=search] table", () => fill("similar", "items", "<b>nothing</b>")],
  [".error", () => {
    clearInterval(timer);
    document.body.dataset.found = JSON.stringify({
      ranked: texts("recommend", "td:first-child"), parts: texts("explain", "td.number"),
      searched: texts("search", "td:first-child"), error: texts("similar", ".error"),
      bold: page().querySelectorAll("b").length, width: page().documentElement.scrollWidth,
    });
  }],
];
const timer = setInterval(() => {
  if (page()?.querySelector(steps[0][0])) steps.shift()[1]();
}, 50);
</script>"""


@contextlib.contextmanager
def served(model):
    """The address of a service on a free port, with the page in a frame."""
    app = create_app(model)

    @app.get("/frame")
    def frame():
        return HTMLResponse(FRAME)

    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/frame"
        finally:
            server.should_exit = True
            serving.join()


@needs_chromium
def test_it_shows_what_the_recommender_says(model, tmp_path):
    with served(model) as address:
        page = browse(address, tmp_path, "--dump-dom", "--virtual-time-budget=20000")
    found = json.loads(html.unescape(re.search(r'data-found="([^"]+)"', page)[1]))
    recommender = model.recommender
    [ranking] = recommender.recommend(["user-000"])
    assert found["ranked"] == [item for item, _ in ranking]
    score, *parts = map(float, found["parts"])
    assert score == pytest.approx(ranking[0].score, abs=1e-3)
    assert sum(parts) == pytest.approx(score, abs=0.02)
    expected = recommender.search("pool <b>qwertz</b>")
    assert found["searched"] == [item for item, _ in expected]
    assert "<b>nothing</b>" in found["error"][0]
    assert found["bold"] == 0 and found["width"] <= 390
