"""The kinds of raw data, a module each.

To add one, put a module here that calls `register`: it yields `RawBlock`s, tables of six columns
that know the file and line of every row. Everything after that is shared.
"""

import importlib
import pkgutil

from symcere_jax.prepare.sources.registry import FILTERS, SOURCES, Source

__all__ = ["FILTERS", "SOURCES", "Source"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
