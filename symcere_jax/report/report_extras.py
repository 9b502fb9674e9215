"""Sections of a report that other binaries wrote: ablation, anchoring, explanations."""

import html
import json
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.errors import DataError
from symcere_jax.explain.lime_words import WordContributions
from symcere_jax.report.ablation import NAME as ABLATION
from symcere_jax.report.ablation import ablation_figure, ablation_markdown, read_ablation
from symcere_jax.report.explanation import LEGEND, words_html
from symcere_jax.report.html import from_figures, from_markdown, image, section
from symcere_jax.report.tables import markdown_table

MAX_EXPLANATIONS = 10


def extra_sections(folder: Path, *, named: bool = False) -> list[tuple[str, str]]:
    """Sections of what another binary left in a folder.

    Args:
        folder: with ablation.json, anchoring.md or explanations.json.
        named: put the name of the folder into titles, to tell several folders apart.

    Raises:
        DataError: it holds none of them, or one is not readable.
    """
    sections = []
    suffix = f": {folder.name}" if named else ""
    if is_ablation(folder):
        sections.append(section("Ablation" + suffix, _ablation(folder)))
    path = folder / "anchoring.md"
    if path.exists():
        text = from_markdown(below_title(read(path)))
        plot = _embedded(folder / "anchoring.png", "Semantic anchoring")
        sections.append(section("Semantic anchoring" + suffix, plot + text))
    path = folder / "explanations.json"
    if path.exists():
        sections.append(section("Explanations" + suffix, _explanations(path)))
    if not sections:
        raise DataError(
            f"{folder} holds no ablation.json, anchoring.md or explanations.json: give folders "
            "that launch/ablate.py, launch/anchoring.py or launch/explain.py wrote"
        )
    return sections


def is_ablation(folder: Path) -> bool:
    """Whether launch/ablate.py wrote its tables there."""
    return (folder / f"{ABLATION}.json").exists()


def _ablation(folder: Path) -> str:
    """The table and its plot, with the settings that each variant changes."""
    table = read_ablation(folder)
    changes = [
        [variant.name, ", ".join(f"{name}={value}" for name, value in variant.changes.items())]
        for variant in table.variants
    ]
    caption = "Each seed as a point; mean and standard deviation over seeds."
    return (
        from_figures([ablation_figure(table)], caption)
        + from_markdown(below_title(ablation_markdown(table)))
        + "<details><summary>Settings that the variants change</summary>"
        + from_markdown(markdown_table(["variant", "settings"], changes))
        + "</details>"
    )


def _explanations(path: Path) -> str:
    try:
        content = json.loads(read(path))
        parts = [LEGEND]
        for one in content.get("reviews", []):
            parts.append(
                f"<h3>Review of {html.escape(str(one['item_id']))}: similarity "
                f"{float(one['score']):.3f}</h3>" + words_html(_contributions(one))
            )
        for one in content.get("recommendations", []):
            title = f"{one['item_id']} for {one['user_id']}: rank {one['rank']}"
            parts.append(f"<h3>{html.escape(title)}</h3>")
            parts += [
                words_html(_contributions(review))
                for review in [*one["by_user"], *one["about_item"]]
            ]
        return "".join(parts[: 1 + MAX_EXPLANATIONS])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: no explanations ({error!r}); write them again") from None


def _contributions(content: dict[str, Any]) -> WordContributions:
    words = content["words"]
    half_widths = [one["half_width"] for one in words]
    return WordContributions(
        text=str(content["text"]),
        words=tuple(str(one["word"]) for one in words),
        mean=np.array([one["contribution"] for one in words], np.float64),
        std=np.array([one["std"] for one in words], np.float64),
        half_width=np.array(half_widths, np.float64),  # None becomes NaN
        score=float(content["score"]),
        fit=float("nan") if content["fit"] is None else float(content["fit"]),
        n_samples=int(content["n_samples"]),
        n_repeats=int(content["n_repeats"]),
    )


def _embedded(path: Path, caption: str) -> str:
    if not path.exists():
        return ""
    return f'<figure><div class="wide">{image(path.read_bytes(), caption)}</div></figure>'


def read(path: Path) -> str:
    """A text file.

    Raises:
        DataError: it is not readable.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as UTF-8 text ({error}); write it again") from None


def below_title(markdown: str) -> str:
    """Markdown without its title, with headings one level lower."""
    lines = markdown.splitlines()
    kept = lines[1:] if lines and lines[0].startswith("# ") else lines
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in kept)
