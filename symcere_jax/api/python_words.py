"""Settings as keywords: in signatures, in help, and in messages that name flags otherwise."""

import contextlib
import dataclasses
import difflib
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from symcere_jax.errors import ConfigError, SymcereError
from symcere_jax.fields import SettingsBase, field_types

_FLAG = re.compile(r"--(\w+)(=[^\s;,)]+|= \(with nothing behind it\))?")
_BARE = ("overwrite", "append", "keep_dropped")  # flags that messages give without a value


def takes(settings: type[SettingsBase], leave_out: Collection[str] = ()) -> Callable:
    """Names each setting in the signature and the help of a function.

    Args:
        settings: whose fields are keywords.
        leave_out: names of those that are none.
    """

    def decorate(function: Callable) -> Callable:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        further = [
            field
            for field in dataclasses.fields(settings)
            if field.name not in signature.parameters and field.name not in leave_out
        ]
        named = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=field.type,
            )
            for field in further
        ]
        lines = [
            f"    {field.name} = {field.default!r}: {in_python(field.metadata['help'])}"
            for field in further
        ]
        function.__signature__ = signature.replace(parameters=own + named)  # type: ignore[attr-defined]
        function.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Settings:", *lines])
        return function

    return decorate


def read_settings(settings: type[SettingsBase], values: Mapping[str, Any], function: str) -> Any:
    """Settings from keywords; paths may be strings.

    Args:
        settings: the class.
        values: by name.
        function: that took them, for messages.

    Raises:
        ConfigError: a name is unknown, or a value out of its limits.
    """
    types = field_types(settings)
    for name in values:
        if name not in types:
            near = difflib.get_close_matches(name, types, 1)
            hint = (
                f"; did you mean {near[0]}?" if near else f"; help({function}) lists the settings"
            )
            raise ConfigError(f"{function} has no setting {name!r}{hint}")
    paths = {
        name: Path(value)
        for name, value in values.items()
        if types[name].kind is Path and isinstance(value, str)
    }
    return settings.from_dict({**values, **paths})


@contextlib.contextmanager
def python_errors() -> Iterator[None]:
    """Has the errors of a block name keywords instead of flags."""
    try:
        yield
    except SymcereError as error:
        error.args = (in_python(str(error)),)
        raise


def in_python(message: str) -> str:
    """A message with keywords in place of flags: `k_core=3` for `--k_core=3`."""

    def keyword(match: re.Match) -> str:
        name, value = match[1].removesuffix("_field"), match[2] or ""
        if value.endswith(")"):
            return f"{name}=''"
        if not value:
            return f"{name}=True" if name in _BARE else name
        is_text = not re.fullmatch(r"=(-?[\d.]+|True|False|None|'.*')", value)
        return f"{name}={value[1:]!r}" if is_text else f"{name}{value}"

    return _FLAG.sub(keyword, message)
