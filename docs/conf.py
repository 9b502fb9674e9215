"""Settings of Sphinx; `build.py` starts it."""

import inspect
import types
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

project = author = "symcere_jax"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"
default_role = "code"  # docstrings have code in single backticks
maximum_signature_line_length = 80
napoleon_custom_sections = [("Settings", "params_style")]


def short_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str]:
    """The signature as written, without all settings: their section lists them."""
    if what == "function" and hasattr(obj, "__signature__"):
        written = types.FunctionType(obj.__code__, {}, None, obj.__defaults__)
        written.__kwdefaults__ = obj.__kwdefaults__
        signature = str(inspect.signature(written))
    return signature, returns


def setup(app: Sphinx) -> None:
    """Renders formulas as MathML, which browsers show without a script."""
    app.connect("autodoc-process-signature", short_signature)

    def inline(translator: HTML5Translator, node: nodes.math) -> None:
        translator.body.append(convert(node.astext()))
        raise nodes.SkipNode

    def block(translator: HTML5Translator, node: nodes.math_block) -> None:
        translator.body.append(convert(node.astext(), display="block"))
        raise nodes.SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
