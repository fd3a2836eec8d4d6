"""Recipes by the name of a built-in one, or from a TOML file that may lean on one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from augengine.errors import SpecError
from augengine.json_values import from_json, to_json

Fields = Mapping[str, Any]
RecipeT = TypeVar("RecipeT")


def read_recipe(kind: type[RecipeT], text: str, built_in: Mapping[str, RecipeT]) -> RecipeT:
    """The recipe that ``text`` names.

    Args:
        kind: What a recipe is.
        text: The name of a built-in recipe, or the path of a ``.toml`` file. The file's keys are a recipe's fields,
            tables for those that have fields themselves; its ``base`` names the built-in recipe that gives those
            that it leaves out.
        built_in: Name -> recipe.

    Raises:
        SpecError: No such recipe, file or base, not TOML, or fields that do not fit.
    """
    if text in built_in:
        return built_in[text]
    found = _find_fields(text, {name: to_json(recipe) for name, recipe in built_in.items()})
    try:
        return from_json(kind, found)
    except SpecError as error:
        names = ", ".join(field.name for field in fields(kind))  # type: ignore[arg-type]  # recipes are dataclasses
        hint = error.hint or f"its fields are {names}"
        raise SpecError(f"{text} is no recipe: {error.message}", hint=hint) from error


def _find_fields(text: str, built_in: Mapping[str, Fields]) -> Fields:
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
