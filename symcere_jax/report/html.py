"""Pages in one file: no network, no scripts, narrow screens, light and dark, print."""

import base64
import html
import io
import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light; --ink:#1b1f24; --soft:#57606a; --line:#d0d7de; --back:#ffffff;
  --panel:#f6f8fa; --blue:0,114,178; --orange:213,94,0; }
* { box-sizing:border-box; }
body { margin:0 auto; padding:1rem; max-width:72rem; color:var(--ink); background:var(--back);
  font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
  overflow-wrap:break-word; }
h1 { font-size:1.6rem; line-height:1.2; margin:.5rem 0 1rem; }
h2 { font-size:1.25rem; margin:2.2rem 0 .6rem; padding-top:.8rem;
  border-top:1px solid var(--line); }
h3 { font-size:1rem; margin:1.2rem 0 .4rem; }
p { margin:.5rem 0; } .note, .legend { color:var(--soft); font-size:.9rem; }
.legend mark { color:var(--ink); }
nav { background:var(--panel); border:1px solid var(--line); border-radius:6px;
  padding:.5rem .8rem; font-size:.95rem; }
nav a { display:inline-block; margin:.15rem .9rem .15rem 0; color:rgb(var(--blue)); }
.scroll { overflow-x:auto; margin:.6rem 0; border:1px solid var(--line); border-radius:6px; }
table { border-collapse:collapse; width:100%; font-size:.88rem; font-variant-numeric:tabular-nums; }
th, td { padding:.35rem .7rem; border-bottom:1px solid var(--line); text-align:right;
  white-space:nowrap; }
tr:last-child td { border-bottom:0; }
th:first-child, td:first-child { text-align:left; position:sticky; left:0; background:var(--back);
  max-width:14rem; white-space:normal; min-width:6.5rem; }
thead th { background:var(--panel); } thead th:first-child { background:var(--panel); }
figure { margin:.8rem 0; } figure img { display:block; width:100%; height:auto; }
figcaption { color:var(--soft); font-size:.9rem; }
.panels { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));
  gap:.6rem; }
.wide { overflow-x:auto; } .wide img { min-width:40rem; }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(9rem,1fr)); gap:.6rem;
  margin:.8rem 0; }
.card { background:var(--panel); border:1px solid var(--line); border-radius:6px;
  padding:.5rem .8rem; }
.card b { display:block; font-size:1.3rem; } .card span { color:var(--soft); font-size:.85rem; }
.review { background:var(--panel); border-left:4px solid var(--line); padding:.6rem .9rem;
  border-radius:0 6px 6px 0; line-height:1.9; }
mark { color:inherit; padding:.05em .15em; border-radius:3px; }
mark.up { background:rgba(var(--blue),calc(.45*var(--w)));
  border-bottom:3px solid rgb(var(--blue)); }
mark.down { background:rgba(var(--orange),calc(.45*var(--w)));
  border-bottom:3px dotted rgb(var(--orange)); }
details { margin:.6rem 0; } summary { cursor:pointer; color:rgb(var(--blue)); }
@media (max-width:40rem) { body { padding:.7rem; font-size:15px; } h1 { font-size:1.3rem; }
  th, td { padding:.3rem .5rem; } }
@media print { nav { display:none; } h2 { break-after:avoid; } figure { break-inside:avoid; } }
"""


def page(title: str, body: str) -> str:
    """A page that stands by itself.

    Args:
        title: plain text, escaped here.
        body: HTML; whatever comes from data in it must be escaped already.
    """
    safe = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Nothing is loaded and nothing runs, whatever a review holds.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{safe}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><h1>{safe}</h1>\n{body}\n</body></html>\n"
    )


def from_markdown(text: str) -> str:
    """HTML of Markdown with tables; HTML within it is shown as text.

    Args:
        text: Markdown; names in it may hold anything.
    """
    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return rendered.replace("<table>", '<div class="scroll"><table>').replace(
        "</table>", "</table></div>"
    )


def from_figures(figures: Sequence[Figure], caption: str) -> str:
    """Figures within the page, as PNG: side by side, one above the other on a narrow screen.

    Args:
        figures: of matplotlib; each has a title, which is read to those who cannot see it.
        caption: plain text.
    """
    images = []
    for figure in figures:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
        title = figure.axes[0].get_title() if figure.axes else caption
        images.append(image(buffer.getvalue(), title))
    return (
        f'<figure><div class="panels">{"".join(images)}</div>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def image(png: bytes, title: str) -> str:
    """An image within the page.

    Args:
        png: its file.
        title: plain text, for those who cannot see it.
    """
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(title)}" src="data:image/png;base64,{data}">'


def section(title: str, body: str) -> tuple[str, str]:
    """A section and the link to it.

    Args:
        title: plain text.
        body: HTML.
    """
    anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    safe = html.escape(title)
    link = f'<a href="#{anchor}">{safe}</a>'
    return link, f'<section id="{anchor}"><h2>{safe}</h2>{body}</section>'
