"""Builds the website of the documentation, without network: `make docs`.

The pages are those of docs/, others from files beside it (README, CHANGELOG, …), and one for each
command, from its help and its flags.
"""

import importlib
import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath

from absl import flags
from sphinx.cmd.build import build_main

from symcere_jax.cli import commands

ROOT = Path(__file__).resolve().parents[1]
SOURCES, SITE = ROOT / "build" / "docs", ROOT / "site"
# Files outside docs/ -> pages.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "notebooks/README.md": "notebooks.md",
}
# Title -> pages of the navigation.
CONTENTS = {
    "Start": ["tutorial"],
    "How-to": ["data", "text", "serving", "explaining", "comparing", "notebooks"],
    "Explanation": ["model", "ablation", "quality", "speed", "faults"],
    "Reference": ["python", "commands"],
    "Development": ["architecture", "contributing", "changelog"],
}


def write_sources(folder: Path) -> None:
    """Writes all pages, as Sphinx reads them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("build.py", "_*"))
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    (folder / "notebooks" / "README.md").unlink()
    for path in folder.glob("*.md"):
        path.write_text(relink(path.read_text(encoding="utf-8"), "docs"), encoding="utf-8")
    for source, page in PAGES.items():
        text = relink((ROOT / source).read_text(encoding="utf-8"), str(Path(source).parent))
        (folder / page).write_text(text, encoding="utf-8")
    names = [name for group in commands.GROUPS.values() for name in group]
    (folder / "commands").mkdir()
    for name in names:
        (folder / "commands" / f"{name}.md").write_text(command_page(name), encoding="utf-8")
    tree = toctree([f"commands/{name}" for name in names])
    text = f"# Commands\n\nEach page lists the flags of a command.\n\n{tree}"
    (folder / "commands.md").write_text(text, encoding="utf-8")
    with (folder / "index.md").open("a", encoding="utf-8") as file:
        for title, pages in CONTENTS.items():
            file.write("\n" + toctree(pages, f":caption: {title}", ":hidden:"))


def toctree(pages: list[str], *options: str) -> str:
    """A table of contents."""
    return "\n".join(["```{toctree}", *options, "", *pages, "```", ""])


def relink(text: str, folder: str) -> str:
    """Links of a file in a folder of the repository, as links between pages."""

    def replace(match: re.Match[str]) -> str:
        path, mark, anchor = match[2].partition("#")
        if not path or "://" in path:
            return match[0]
        target = PurePosixPath(os.path.normpath(PurePosixPath(folder) / path)).as_posix()
        return match[1] + PAGES.get(target, target.removeprefix("docs/")) + mark + anchor

    return re.sub(r"""(\]\(|(?:src|srcset|href)=")([^)"\s]+)""", replace, text)


def command_page(name: str) -> str:
    """The help of a command and a table of its flags."""
    before = set(flags.FLAGS)
    module = importlib.import_module(commands.module_of(name))
    help_text = re.sub(
        r"python (?:launch|data_prep)/(\w+)\.py", r"symcere \1", module.__doc__ or ""
    )
    lines = [f"# symcere {name}", ""]
    for paragraph in help_text.strip().split("\n\n"):
        if paragraph.startswith("  ") and not paragraph.startswith("  - "):
            paragraph = "\n".join(["```sh", re.sub("^  ", "", paragraph, flags=re.M), "```"])
        else:
            paragraph = as_code(paragraph)
        lines += [paragraph, ""]
    lines += ["## Flags", ""]
    for flag_name in sorted(set(flags.FLAGS) - before):
        flag = flags.FLAGS[flag_name]
        if not flags.FLAGS.find_module_defining_flag(flag_name).startswith("symcere_jax."):
            continue
        values = getattr(flag.parser, "enum_values", None)
        title = f"`--[no]{flag_name}`" if flag.boolean else f"`--{flag_name}`"
        title += " = " + ", ".join(f"`{value}`" for value in values) if values else ""
        title += (
            "" if flag.default is None else f" (default: `{flag.default_as_str.strip(chr(39))}`)"
        )
        text = re.sub(r"^<[\w|+]+>: ", "", " ".join((flag.help or "").split()))
        lines += [title, f": {as_code(text).replace('<', '&lt;')}", ""]
        delattr(flags.FLAGS, flag_name)  # the flags of two commands clash in one process
    for loaded in [key for key in sys.modules if key.startswith("symcere_jax.cli.")]:
        if loaded != commands.__name__:
            del sys.modules[loaded]
    return "\n".join(lines) + "\n"


def as_code(text: str) -> str:
    """A text whose flags are marked as code."""
    return re.sub(r"(?<![`\w])(--\w+(?:=[\w./+]+)?)", r"`\1`", text)


if __name__ == "__main__":
    write_sources(SOURCES)
    shutil.rmtree(SITE, ignore_errors=True)
    sys.exit(build_main(["--quiet", "--fail-on-warning", "--keep-going", str(SOURCES), str(SITE)]))
