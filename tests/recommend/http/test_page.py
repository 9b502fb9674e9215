"""The page, used in headless Chromium on a phone's width as a person would use it."""

import contextlib
import copy
import dataclasses
import html
import json
import re
import socket
import threading
import time
import urllib.parse

import numpy as np
import pytest
import uvicorn
from starlette.responses import HTMLResponse

from symcere_jax.recommend.http import create_app
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


# Of what is found the first item is clicked, which asks for items like it.
CLICKED = """<!doctype html><body>
<iframe src="/?ask=search&text=pool" width={width} height=900></iframe>
<iframe src="/?{asked}" width={width} height=900></iframe><script>
const of = place => document.querySelectorAll("iframe")[place].contentDocument.forms.similar;
const ready = setInterval(() => {{
  const first = document.querySelector("iframe").contentDocument.querySelector("td button");
  if (!first || !of(1).querySelector("table, .error")) return;
  if (!of(0).querySelector("table, .error")) {{
    if (!first.clicked) {{ first.clicked = true; first.click(); }}
    return;
  }}
  clearInterval(ready);
  const texts = (place, what) => [...of(place).querySelectorAll(what)].map(n => n.textContent);
  document.body.dataset.found = JSON.stringify([0, 1].map(place => ({{
    captions: texts(place, "caption"), items: texts(place, "td:nth-child(2)"),
    errors: texts(place, ".error"),
  }})));
}}, 50);
</script>"""


@contextlib.contextmanager
def served(model, frames):
    """The address of a service, at a free port, that also has a page with frames."""
    app = create_app(model)

    @app.get("/frames")
    def show():
        return HTMLResponse(frames)

    server = uvicorn.Server(uvicorn.Settings(app, log_level="error", ws="none", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/frames"
        finally:
            server.should_exit = True
            serving.join()


def shown(address, profile):
    """What the script of the frames found."""
    made = browse(address, profile, "--dump-dom", "--virtual-time-budget=20000")
    return json.loads(html.unescape(re.search(r'data-found="([^"]+)"', made)[1]))


@needs_chromium
def test_it_is_used_on_a_phone(model, tmp_path):
    with served(model, FRAMES.format(width=WIDTH)) as address:
        found = shown(address, tmp_path)
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


@needs_chromium
def test_ids_with_commas_and_quotes_in_links_and_addresses(model, tmp_path):
    name = 'inn, "by the sea"'
    changed = copy.copy(model)
    changed.recommender = model.recommender.with_items({name: ["pool pool beach pool"]}, bonus=9)
    [(best, _), *_] = changed.recommender.search("pool", k=1)
    assert best == name
    asked = urllib.parse.urlencode(
        {"ask": "similar", "items": 'item-03,"inn, ""by the sea""" , item-07 '}
    )
    with served(changed, CLICKED.format(width=WIDTH, asked=html.escape(asked))) as address:
        clicked, typed = shown(address, tmp_path)
    assert clicked["errors"] == typed["errors"] == []
    assert clicked["captions"] == [name]
    [expected] = changed.recommender.similar_items([name])
    assert clicked["items"] == [item for item, _ in expected]
    assert typed["captions"] == ["item-03", name, "item-07"]


@needs_chromium
def test_items_have_their_titles(model, tmp_path):
    titles = np.array([f"<b>Hotel {n}</b>" for n in range(50)], object)
    titles[::2] = None
    changed = copy.copy(model)
    changed.recommender = dataclasses.replace(model.recommender, titles=titles)
    with served(changed, CLICKED.format(width=WIDTH, asked="ask=similar&items=item-03")) as address:
        clicked, asked = shown(address, tmp_path)
    assert clicked["errors"] == asked["errors"] == []
    found = [item.item_id for item in changed.recommender.similar_items(["item-03"])[0]]
    named = zip(found, changed.recommender.item_titles(found), strict=True)
    shown_as = [item if title is None else f"{title} {item}" for item, title in named]
    assert asked["items"] == shown_as and any("Hotel" in name for name in shown_as)
    [best] = changed.recommender.search("pool", k=1)
    assert clicked["captions"] == [best.item_id]  # a title is clicked, its id is asked for
