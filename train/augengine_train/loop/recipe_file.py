"""A recipe's fields: by the name of a built-in recipe, or from a TOML file that may lean on one; and their types."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from augengine.errors import SpecError

Fields = Mapping[str, Any]

_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def find_fields(text: str, built_in: Mapping[str, Fields]) -> Fields:
    """The fields of the recipe that ``text`` names, not yet checked.

    Args:
        text: The name of a built-in recipe, or the path of a ``.toml`` file. The file's keys are a recipe's fields,
            tables for those that have fields themselves; its ``base`` names the built-in recipe that gives those
            that it leaves out.
        built_in: Name -> fields.

    Raises:
        SpecError: No such recipe, file or base, or not TOML.
    """
    if text in built_in:
        return built_in[text]
    if not text.endswith(".toml"):
        raise SpecError(f"unknown recipe {text!r}", hint=f"{' or '.join(built_in)}, or a TOML file's path")
    try:
        own = tomllib.loads(Path(text).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"cannot read the recipe {text}: {error}", hint="a TOML file is expected") from error
    base = own.pop("base", None)
    if base is None:
        return own
    if base not in built_in:
        raise SpecError(f"{text}: unknown base {base!r}", hint=" or ".join(built_in))
    return _over({**built_in[base], "name": Path(text).stem}, own)


def _over(base: Fields, own: Fields) -> Fields:
    """``base`` with what ``own`` says instead, table within table."""
    merged = {
        name: _over(base[name], value) if isinstance(value, Mapping) and isinstance(base.get(name), Mapping) else value
        for name, value in own.items()
    }
    return {**base, **merged}


def check_types(value: Any) -> None:
    """Refuse a frozen value some field of which has another type than is declared; only plain types are looked at.

    Raises:
        SpecError: It names the field: ``crop = 128.0`` is no whole number, ``lr = true`` no number.
    """
    for name, wanted in get_type_hints(type(value)).items():
        if wanted in _KINDS and not _fits(getattr(value, name), wanted):
            raise SpecError(f"{name} must be {_KINDS[wanted]}, got {getattr(value, name)!r}")


def _fits(found: object, wanted: type) -> bool:
    if isinstance(found, bool):
        return wanted is bool
    return isinstance(found, int | float) if wanted is float else isinstance(found, wanted)
