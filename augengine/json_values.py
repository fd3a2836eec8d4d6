"""Json to frozen values and back: what a stranger may have written is checked here, field by field.

A value is a dataclass whose annotations say what each field holds. See docs/notes/decisions/0025.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, TypeVar, cast

import msgspec

from augengine.errors import AugengineError, SpecError

ValueT = TypeVar("ValueT")

_SAID = re.compile(r"(?P<said>.*?)(?: - at (?P<name>`key` in )?`\$(?P<below>[^`]*)`)?", re.DOTALL)

Count = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number from 0 on."""

ProcessId = Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
"""A number that a process can have: the kernel refuses others by another error."""


def parse_json(data: bytes) -> Any:
    """The value of a json text in UTF-8.

    Raises:
        SpecError: It is no json, it nests too deeply, or it holds NaN, an infinity or half a surrogate pair.
    """
    try:
        return msgspec.json.decode(data)
    except RecursionError as error:
        raise SpecError("it is no json of ours: brackets hold each other too deeply") from error
    except msgspec.MsgspecError as error:
        raise SpecError(f"it is no json: {error}") from error


def from_json(kind: type[ValueT], data: Any, *, version: int | None = None, at: str = "") -> ValueT:
    """The value of a type that plain json values stand for; the inverse of `to_json`.

    Args:
        kind: A dataclass, whose own checks are run too.
        data: What `parse_json` gives.
        version: What the field ``format`` must say; None where there is no such field.
        at: Where the data stands in a larger value, for the message: ``jobs``.

    Raises:
        SpecError: A field is missing, unknown, of another type, or out of its range. The message names the field by
            its path, as ``jobs[3].count``.
    """
    found = data.get("format") if isinstance(data, Mapping) else version
    if version is not None and found != version:
        raise SpecError(f"it has format {found}, this version reads {version}")
    try:
        value = msgspec.convert(data, kind, str_keys=True)
        odd = next(_unknown(data, value, at), None)
    except RecursionError as error:
        raise SpecError("brackets hold each other too deeply") from error
    except msgspec.ValidationError as error:
        hint = error.__cause__.hint if isinstance(error.__cause__, AugengineError) else ""
        raise SpecError(_with_path_first(str(error), at), hint=hint) from error
    if odd:
        raise SpecError(f"{odd}: this version knows no such field")
    return value


def to_json(value: Any) -> Any:
    """Plain json values: dicts with texts as names, lists, texts, numbers, booleans and None.

    Json knows no NaN and no infinity: None stands for them.

    Args:
        value: A dataclass, or what holds such.
    """
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no form in json")


def _with_path_first(text: str, at: str) -> str:
    """``Expected `int`, got `str` - at `$.jobs[3].count` `` as ``jobs[3].count: expected int, got str``."""
    found = _SAID.fullmatch(text)
    assert found is not None
    name, below = found["name"] or "", found["below"] or ""
    where = ("a name in " if name else "") + (at + below).lstrip(".")
    said = found["said"][:1].lower() + found["said"][1:].replace("`", "")
    return f"{where}: {said}" if where else said


@cache
def _fields_of(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def _unknown(data: Any, value: Any, path: str) -> Iterator[str]:
    """Paths of fields that a value was not made from: msgspec leaves what it does not know out without a word."""
    if value is data:  # a field of any type
        return
    if isinstance(data, list):
        for number, (each, its) in enumerate(zip(data, value, strict=True)):
            yield from _unknown(each, its, f"{path}[{number}]")
    elif is_dataclass(value):
        known = _fields_of(cast(type, type(value)))
        for name, each in data.items():
            if name not in known:
                yield _below(path, name)
            elif isinstance(each, dict | list):
                yield from _unknown(each, getattr(value, name), _below(path, name))
    elif isinstance(data, dict):
        for name, its in zip(data, value.values(), strict=False):
            yield from _unknown(data[name], its, _below(path, name))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
