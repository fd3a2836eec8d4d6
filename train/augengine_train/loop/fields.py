"""The types of a recipe's fields, which a TOML file may say otherwise."""

from __future__ import annotations

from typing import Any, get_type_hints

from augengine.errors import SpecError

_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


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
