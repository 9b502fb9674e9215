"""Pictures in SVG, legible on light and dark pages."""

from collections.abc import Mapping, Sequence
from html import escape

_STYLE = """text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 } .faint { fill: #57606a } .end { text-anchor: end }
.card { fill: #f6f8fa; stroke: #d0d7de } .bar { fill: #0d9488 } .arrow, .axis { stroke: #57606a }
.range { stroke: #0d9488; stroke-width: 2 } .axis { stroke-dasharray: 2 3 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .faint { fill: #9da7b3 }
.card { fill: #161b22; stroke: #30363d } .bar { fill: #2dd4bf } .range { stroke: #2dd4bf }
.arrow, .axis { stroke: #9da7b3 } }"""
_LINE = 20


def in_and_out(
    history: Sequence[str], counts: Sequence[str], answers: Mapping[str, Sequence[tuple[str, str]]]
) -> str:
    """What goes into a model, and what comes out: by question, words and score of each item."""
    height = 34 + sum(_LINE * (1 + len(items)) + 14 for items in answers.values())
    parts = [
        _card(0, 0, 290, height),
        _text(14, 24, "In: interactions and review texts", "title"),
        _text(14, 54, "one of the users wrote of", "faint"),
        *(_text(30, 74 + _LINE * row, line) for row, line in enumerate(history)),
        *(_text(14, height - 14 - _LINE * row, line, "faint") for row, line in enumerate(counts)),
        _arrow(298, height // 2, 342),
        _card(350, 0, 550, height),
        _text(364, 24, "Out: recommendations", "title"),
    ]
    y = 54
    for question, items in answers.items():
        parts.append(_text(364, y, question, "faint"))
        for words, score in items:
            y += _LINE
            parts += [_text(380, y, words), _text(886, y, score, "end")]
        y += _LINE + 14
    return _svg(900, height, parts)


def experts(weights: Mapping[str, float], reads: Mapping[str, str], caption: str) -> str:
    """The experts of a model, what each reads, and its weight in the sum of the scores."""
    height, parts = 66 + 44 * len(weights), []
    for row, (name, weight) in enumerate(weights.items()):
        y = 44 * row
        parts += [
            _card(0, y, 380, 36),
            _text(14, y + 23, name, "title"),
            _text(120, y + 23, reads[name], "faint"),
            _arrow(388, y + 18, 432),
            f'<rect class="bar" x="440" y="{y + 8}" width="{300 * weight:.0f}" height="20"/>',
            _text(450 + 300 * weight, y + 23, f"× {weight:.2f}"),
        ]
    y = 44 * len(weights)
    parts += [
        _text(440, y + 22, "Σ = score of an item for a user", "title"),
        _text(440, y + 44, caption, "faint"),
    ]
    return _svg(800, height, parts)


def intervals(
    groups: Mapping[str, Mapping[str, tuple[float, float, float]]], form: str, caption: str
) -> str:
    """Values with the ends of their intervals, a line each, on an axis with a mark at 0.

    Groups are title -> name -> value and ends; the form is that of a value, such as "{:.1f} %".
    """
    every = [value for rows in groups.values() for ends in rows.values() for value in ends]
    low, high = min(0.0, *every), max(0.0, *every)

    def place(value: float) -> float:
        return 250 + 460 * (value - low) / (high - low)

    parts, y = [], 0
    for title, rows in groups.items():
        y += 2 * _LINE
        parts.append(_text(0, y - 14, title, "title"))
        top = y - _LINE // 2
        for name, (value, *ends) in rows.items():
            start, end = map(place, ends)
            parts += [
                _text(14, y + 4, name),
                f'<path class="range" d="M{start:.1f} {y}H{end:.1f}"/>',
                f'<circle class="bar" cx="{place(value):.1f}" cy="{y}" r="4"/>',
                _text(800, y + 4, form.format(value), "end"),
            ]
            y += _LINE
        parts.append(f'<path class="axis" d="M{place(0):.1f} {top}V{y - _LINE // 2}"/>')
    parts.append(_text(14, y + _LINE, caption, "faint"))
    return _svg(800, y + 2 * _LINE, parts)


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    size = f'viewBox="-1 -1 {width + 2} {height + 2}" width="{width}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{_STYLE}</style>"]
    return "\n".join([*lines, *parts, "</svg>\n"])


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(words)}</text>'


def _card(x: int, y: int, width: int, height: int) -> str:
    return f'<rect class="card" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>'


def _arrow(x: int, y: int, end: int) -> str:
    path = f"M{x} {y}H{end}m-7 -6l7 6l-7 6"
    return f'<path class="arrow" d="{path}" fill="none" stroke-width="2"/>'
