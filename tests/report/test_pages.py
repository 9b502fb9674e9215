from symcere_jax.report.documents import (
    ColoredText,
    Details,
    Document,
    Heading,
    Span,
)
from symcere_jax.report.pages import render_page
from symcere_jax.report.plots import Plot
from symcere_jax.report.tables import Table
from tests.report.reader import Reader

EVIL = "<script>alert('x')</script> & \"quoted\" 'it' </style>{{ 1 }}"


def draw(panels):
    for axes in panels:
        axes.set_title(EVIL)


ALL = Document(
    EVIL,
    [
        EVIL,
        Heading(EVIL),
        Table([EVIL, "number"], [[EVIL, "1"]]),
        Plot(draw, 2, EVIL),
        Details(EVIL, Table(["name"], [[EVIL]])),
        ColoredText([Span(EVIL), Span(EVIL, 0.5, EVIL), Span(EVIL, -1.0)]),
    ],
)


def test_all_that_a_page_shows_is_text():
    page = render_page(EVIL, [ALL, ALL])
    reader = Reader(page)
    assert page.startswith("<!doctype html>")
    assert "script" not in reader.tags
    # Title and heading; for each section its link, its title, and 10 more within its blocks.
    assert reader.text.count(EVIL) == 2 + 2 * (2 + 10)
    assert reader.tags.count("img") == 4
    assert all(link.startswith(("data:image/png;base64,iVBOR", "#")) for link in reader.links)


def test_it_needs_no_network():
    page = render_page("title", [ALL])
    assert "default-src 'none'" in page and 'name="viewport"' in page
    assert "url(" not in page and "@import" not in page and "http:" not in page


def test_sections_have_links():
    page = render_page("title", [ALL, Document("Other", ["text"])])
    assert '<a href="#section-2">Other</a>' in page
    assert '<section id="section-2">' in page
    assert "nav" not in Reader(render_page("title", [ALL])).tags  # of a single one


def test_words_are_colored_by_their_contributions():
    spans = [Span("A "), Span("gasket", 1.0, "+0.5"), Span("  fits\n"), Span("badly", -0.25)]
    page = render_page("title", [Document("text", [ColoredText(spans)])])
    assert '<mark class="up" style="--weight:1.00" title="+0.5">gasket</mark>' in page
    assert '<mark class="down" style="--weight:0.25" title="">badly</mark>' in page
    assert "A gasket  fits\nbadly" in Reader(page).text


def test_columns_of_words_are_marked():
    page = render_page("t", [Document("d", [Table(["a", "b"], [["c", "d"]])])])
    assert '<td class="word">c</td><td>d</td>' in page
