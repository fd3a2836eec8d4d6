"""Json to frozen values and back: what a stranger may have written is checked here, field by field.

A value is a dataclass whose annotations say what each field holds. See docs/decisions/0025.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from pathlib import PurePath
from typing import Annotated, Any, TypeVar

import msgspec

from augengine.errors import AugengineError, SpecError

ValueT = TypeVar("ValueT")

Count = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number from 0 on."""


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


def from_json(
    kind: type[ValueT], data: Any, *, version: int | None = None, at: str = "", complete: bool = False
) -> ValueT:
    """The value of a type that plain json values stand for; the inverse of `to_json`.

    Args:
        kind: A dataclass, whose own checks are run too.
        data: What `parse_json` gives.
        version: What the field ``format`` must say; None where there is no such field.
        at: Where the data stands in a larger value, for the message: ``jobs``.
        complete: Whether fields that have a default must be there, too.

    Raises:
        SpecError: A field is missing, unknown, of another type, or out of its range. The message names the field by
            its path, as ``jobs[3].count``.
    """
    found = data.get("format") if isinstance(data, Mapping) else version
    if version is not None and found != version:
        raise SpecError(f"it has format {found}, this version reads {version}")
    try:
        value = msgspec.convert(data, kind, str_keys=True)
    except RecursionError as error:
        raise SpecError("brackets hold each other too deeply") from error
    except msgspec.ValidationError as error:
        hint = error.__cause__.hint if isinstance(error.__cause__, AugengineError) else ""
        raise SpecError(_with_path_first(str(error), at), hint=hint) from error
    known = to_json(value)
    if odd := next(_only_in(data, known, at), None):
        raise SpecError(f"{odd}: this version knows no such field")
    if complete and (lost := next(_only_in(known, data, at), None)):
        raise SpecError(f"{lost}: this field is missing")
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
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no form in json")


def _with_path_first(text: str, at: str) -> str:
    """``Expected `int`, got `str` - at `$.jobs[3].count` `` as ``jobs[3].count: expected int, got str``."""
    said, _, path = text.replace("`", "").partition(" - at ")
    where = (path or "$").replace("key in", "a name in").replace("$", at).replace(" .", " ").lstrip(".")
    said = said[:1].lower() + said[1:]
    return f"{where}: {said}" if where else said


def _only_in(data: Any, other: Any, path: str) -> Iterator[str]:
    """Paths of fields that one of two plain values has alone. msgspec leaves unknown ones out without a word."""
    if isinstance(data, Mapping) and isinstance(other, Mapping):
        for name, each in data.items():
            here = f"{path}.{name}" if path else str(name)
            if name in other:
                yield from _only_in(each, other[name], here)
            else:
                yield here
    elif isinstance(data, list) and isinstance(other, list):
        for number, (each, its) in enumerate(zip(data, other, strict=True)):
            yield from _only_in(each, its, f"{path}[{number}]")
