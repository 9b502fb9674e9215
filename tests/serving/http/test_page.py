"""The page, used in headless Chromium on a phone's width as a person would use it."""

import html
import json
import re
import socket
import threading
import time

import pytest
import uvicorn
from starlette.responses import HTMLResponse

from symcere_jax.serving.http import create_app
from tests.browser import browse, needs_chromium

WIDTH = 390
# Frames of the page, narrower than Chromium's own window can be. Each is asked by its address; in
# the first, "why?" of the best item is clicked then. What they show is read when all have answers.
FRAMES = """<!doctype html><body>
<iframe src="/?ask=recommend&users=user-000" width={width} height=900></iframe>
<iframe src="/?ask=search&text=pool+qwertz" width={width} height=900></iframe>
<iframe src="/?ask=search&text=qwertz" width={width} height=900></iframe><script>
const of = place => document.querySelectorAll("iframe")[place].contentDocument;
const text = (place, form, what) =>
  [...of(place).forms[form].querySelectorAll(what)].map(found => found.textContent);
const ready = setInterval(() => {{
  const [first, second, third] = [of(0), of(1), of(2)];
  const why = first.querySelector("form[name=recommend] td:last-child button");
  if (!why || !second.querySelector("table") || !third.querySelector(".error")) return;
  if (!first.forms.explain.querySelector("table")) {{
    if (!first.clicked) {{ first.clicked = true; why.click(); }}
    return;
  }}
  clearInterval(ready);
  document.body.dataset.found = JSON.stringify({{
    model: first.getElementById("model").textContent,
    ranked: text(0, "recommend", "td:nth-child(2)"),
    explained: text(0, "explain", "caption").concat(text(0, "explain", "td:last-child")),
    searched: text(1, "search", "td:nth-child(2)"), note: text(1, "search", ".note"),
    error: text(2, "search", ".error"),
    widths: [first, second, third].map(d => d.documentElement.scrollWidth),
    address: first.location.search,
  }});
}}, 50);
</script>"""


@pytest.fixture
def address(model):
    """The service, at a free port."""
    app = create_app(model)

    @app.get("/frames")
    def frames():
        return HTMLResponse(FRAMES.format(width=WIDTH))

    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        serving.join()


@needs_chromium
def test_it_is_used_on_a_phone(address, model, tmp_path):
    made = browse(f"{address}/frames", tmp_path, "--dump-dom", "--virtual-time-budget=20000")
    found = json.loads(html.unescape(re.search(r'data-found="([^"]+)"', made)[1]))
    recommender = model.recommender
    assert found["model"] == f"{recommender.name}: {len(recommender.users)} users, 50 items"
    [ranking] = recommender.recommend(["user-000"])
    assert found["ranked"] == [item for item, _ in ranking]
    assert found["searched"] == [item for item, _ in recommender.search("pool qwertz")]
    assert found["note"] == ["Words that do not count here: qwertz"]
    assert found["error"][0].startswith("no word of 'qwertz' is known")
    title, *parts = found["explained"]
    assert title.startswith(f"{ranking[0].item_id} for user-000")
    assert sum(map(float, parts)) == pytest.approx(ranking[0].score, abs=0.02)
    assert max(found["widths"]) <= WIDTH  # nothing scrolls sideways
    assert found["address"].startswith("?ask=explain&user=user-000")  # can be kept and shared
