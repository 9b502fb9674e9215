import re
from html.parser import HTMLParser

from matplotlib.figure import Figure

from symcere_jax.report.html import from_figures, from_markdown, page, section

EVIL = "<script>alert('x')</script> & \"quoted\" 'it' </style>"


class Reader(HTMLParser):
    """Collects tags, attributes and text, as a browser would."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_a_page_stands_by_itself():
    text = page(EVIL, "<p>body</p>")
    reader = Reader(text)
    assert text.startswith("<!doctype html>")
    assert "script" not in reader.tags
    assert reader.links == []
    assert reader.text.count(EVIL) == 2  # title and heading
    assert 'name="viewport"' in text
    assert "default-src 'none'" in text
    assert "url(" not in text and "@import" not in text


def test_markdown_shows_html_as_text():
    made = from_markdown(
        f"# Title\n\n| a | b |\n|---|---|\n| {EVIL} | 2 |\n\n[x](javascript:alert)"
    )
    reader = Reader(made)
    assert "script" not in reader.tags
    assert "<script>alert" in reader.text
    assert not any(link.startswith("javascript") for link in reader.links)
    assert made.count('<div class="scroll"><table>') == 1


def test_figures_are_within_the_page():
    figure = Figure(figsize=(1, 1))
    figure.subplots().set_title(EVIL)
    made = from_figures([figure, figure], EVIL)
    reader = Reader(made)
    assert reader.tags.count("img") == 2
    assert all(link.startswith("data:image/png;base64,iVBOR") for link in reader.links)
    assert reader.text == EVIL
    assert "script" not in reader.tags


def test_a_section_has_a_link():
    link, text = section("Popularity & bias", "<p>x</p>")
    target = re.search(r'href="#([^"]+)"', link)[1]
    assert f'id="{target}"' in text
    assert Reader(text).text == "Popularity & biasx"
