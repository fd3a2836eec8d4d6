"""What the numbers in a state dict's names say of the modules that hold no tensors, and where they contradict us.

In a plain ``nn.Sequential`` every number is known: the first convolution is 1, behind its padding, then come 4 and 7,
the blocks from 10, and the convolutions on the way up three apart. Any other number means that a module stands
between two convolutions, or that one is missing, and no tensor shows which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from augengine.generator.entries import natural, number_in
from augengine.generator.layers import Convolutions, Layer
from augengine.weights.recipe import Padding

_NORM_AND_RELU = 2
# The numbers of a block's two convolutions, with a padding module in front of each and without, also with dropout.
_PADDED, _BARE = {(1, 5), (1, 6)}, {(0, 3), (0, 4)}
# The same where convolution and norm are one module that holds both.
_PADDED_UNITS, _BARE_UNITS = {(1, 3), (1, 4)}, {(0, 1), (0, 2)}
_DROPOUT = {(1, 6), (0, 4)}
_PLAIN = "1 and 5, with dropout 1 and 6, or 0 and 3, with dropout 0 and 4"


@dataclass(frozen=True, slots=True)
class Numbering:
    """What the numbers show.

    Attributes:
        contradictions: Where they do not fit the plain layout, one sentence each, with the numbers.
        block_padding: Padding of the residual blocks; None if the numbers do not tell. Reflection and replication
            are numbered alike, and the first is meant.
        ends_padded: Whether a module pads in front of the first convolution; None if the numbers do not tell.
        up_padded: Whether a module pads behind each interpolation.
        dropout: Whether the blocks have room for one more module between norm and convolution.
    """

    contradictions: tuple[str, ...]
    block_padding: Padding | None
    ends_padded: bool | None
    up_padded: bool
    dropout: bool


@dataclass(frozen=True, slots=True)
class _Unit:
    """A convolution or a residual block: its path, and how many modules may stand right in front of it."""

    path: tuple[str, ...]
    in_front: tuple[int, ...]
    is_block: bool = False

    @property
    def name(self) -> str:
        return ".".join(self.path)


def read_numbers(convolutions: Convolutions, norms: Mapping[str, Layer], order: Sequence[str]) -> Numbering:
    """Compare the numbers in the names with the plain layout.

    Args:
        convolutions: By their roles.
        norms: By the name of the convolution in front: those that hold tensors.
        order: The layers' names as the file lists them; empty if that order tells nothing.
    """
    pairs = _pairs(convolutions.blocks)
    blocks = {_block_numbers(first.name, second.name) for first, second in pairs}
    plain = {(numbers[0], numbers[1]) for numbers in blocks if numbers}
    units = _units(convolutions, pairs)
    found = [
        *_strange_order(convolutions, norms, order),
        *_strange_blocks(convolutions, pairs, blocks),
        *_strange_gaps(units),
        *_strange_norms(norms),
    ]
    stem, end = _own_number(convolutions.stem.name), _in_front(units[-2], units[-1])
    if stem is not None and end is not None and stem != end and not found:
        found.append(f"{stem} modules stand in front of the first convolution and {end} in front of the last")
    padded = plain <= _PADDED | _PADDED_UNITS
    return Numbering(
        contradictions=tuple(found),
        block_padding="reflect" if plain and padded else "zeros" if plain and plain <= _BARE else None,
        ends_padded=None if stem is None else stem > 0,
        up_padded=not convolutions.transposed and _in_front(*units[-3:-1]) == 2,
        dropout=any(numbers is not None and not numbers[2] and numbers[:2] in _DROPOUT for numbers in blocks),
    )


def _pairs(blocks: Sequence[Layer]) -> list[tuple[Layer, Layer]]:
    return list(zip(blocks[::2], blocks[1::2], strict=True))


def _units(convolutions: Convolutions, pairs: Sequence[tuple[Layer, Layer]]) -> list[_Unit]:
    """Convolutions and blocks in the order in which they run."""
    up = (0,) if convolutions.transposed else (1, 2)
    alone = [(convolutions.stem, (0, 1)), *((each, (0,)) for each in convolutions.down)]
    behind = [*((each, up) for each in convolutions.up), (convolutions.end, (0, 1))]
    front, back = ([_Unit(tuple(c.name.split(".")), n) for c, n in part] for part in (alone, behind))
    return [*front, *(_Unit(_common(a.name, b.name), (0,), is_block=True) for a, b in pairs), *back]


def _common(first: str, second: str) -> tuple[str, ...]:
    parts, others = first.split("."), second.split(".")
    same = next((i for i, (a, b) in enumerate(zip(parts, others, strict=False)) if a != b), len(parts))
    return tuple(parts[:same])


def _block_numbers(first: str, second: str) -> tuple[int, int, bool] | None:
    """Where two convolutions of a block stand in it, and whether inside modules of their own; None without numbers."""
    depth, a, b = len(_common(first, second)), first.split("."), second.split(".")
    if min(len(a), len(b)) <= depth:
        return None
    numbers = number_in(a[depth]), number_in(b[depth])
    if numbers[0] is None or numbers[1] is None:
        return None
    return numbers[0], numbers[1], max(len(a), len(b)) > depth + 1


def _own_number(name: str) -> int | None:
    return number_in(name.rpartition(".")[2])


def _step(first: _Unit, second: _Unit) -> tuple[int, int] | None:
    """How far apart two units stand in a common container, and how far with nothing unknown in front of the second.

    None if no container numbers both.
    """
    depth = len(_common(first.name, second.name))
    if depth >= min(len(first.path), len(second.path)):
        return None
    places = number_in(first.path[depth]), number_in(second.path[depth])
    if places[0] is None or places[1] is None:
        return None
    alone = not first.is_block and len(first.path) == depth + 1
    return places[1] - places[0], 1 + (_NORM_AND_RELU if alone else 0)


def _in_front(first: _Unit, second: _Unit) -> int | None:
    """How many modules stand in front of the second unit, as far as the numbers tell."""
    if second.path[:-1] == first.path[: len(second.path) - 1] and (step := _step(first, second)):
        return step[0] - step[1]
    return None if second.is_block else _own_number(second.name)


def _strange_gaps(units: Sequence[_Unit]) -> list[str]:
    """Units that stand nearer to each other or farther apart than the plain layout has them."""
    first, found = units[0], []
    if (number := _own_number(first.name)) is not None and number not in first.in_front:
        found.append(f"its first convolution is {first.name}, and {number} modules stand in front of it, not 0 or 1")
    for before, unit in pairwise(units):
        if step := _step(before, unit):
            inside = len(_common(before.name, unit.name)) + 1 < len(unit.path) or unit.is_block
            allowed = sorted({step[1] + n for n in (*unit.in_front, *((0,) if inside else ()))})
            if step[0] not in allowed:
                found.append(_gap_sentence(before, unit, step[0], allowed))
        if not unit.is_block and (step is None or unit.path[:-1] != before.path[: len(unit.path) - 1]):
            found += _alone(unit)
    return found


def _gap_sentence(before: _Unit, unit: _Unit, gap: int, allowed: Sequence[int]) -> str:
    why = "no room for a norm and an activation" if gap < allowed[0] else "a module between that no tensor shows"
    said = " or ".join(str(each) for each in allowed)
    return f"{before.name} and {unit.name} stand {gap} apart where a plain generator has {said}: {why}"


def _alone(unit: _Unit) -> list[str]:
    """A convolution that begins a container of its own has as many modules in front as its number says."""
    number, allowed = _own_number(unit.name), (0, *unit.in_front)
    if number is None or number in allowed:
        return []
    return [f"{number} modules stand in front of {unit.name}, where a plain generator has at most {max(allowed)}"]


def _strange_blocks(
    convolutions: Convolutions, pairs: Sequence[tuple[Layer, Layer]], blocks: set[tuple[int, int, bool] | None]
) -> list[str]:
    names = [layer.name for layer in convolutions.in_order()]
    tokens = {name: natural(name) for name in names}
    for first, second in pairs:
        a, b = tokens[first.name], tokens[second.name]
        shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        others = [n for n in names if n not in (first.name, second.name) and tokens[n][:shared] == a[:shared]]
        nested = len(pairs) == 1 and any(numbers and numbers[2] for numbers in blocks)
        if others or nested:
            return [
                f"{first.name} and {second.name} seem to be of two residual blocks: a plain block has two convolutions"
            ]
    known = {False: _PADDED | _BARE, True: _PADDED_UNITS | _BARE_UNITS}
    for numbers in sorted(numbers for numbers in blocks if numbers):
        if numbers[:2] not in known[numbers[2]]:
            here = f"{numbers[0]} and {numbers[1]}"
            return [f"the convolutions of its blocks are numbered {here}, those of a plain block {_PLAIN}"]
    return ["its residual blocks are numbered in several ways"] if len(blocks) > 1 else []


def _strange_norms(norms: Mapping[str, Layer]) -> list[str]:
    """A norm comes right behind its convolution."""
    for name, norm in norms.items():
        number, place = _own_number(name), _own_number(norm.name)
        siblings = name.rpartition(".")[0] == norm.name.rpartition(".")[0]
        if siblings and number is not None and place is not None and place != number + 1:
            return [f"the norm {norm.name} does not stand right behind the convolution {name}"]
    return []


def _strange_order(convolutions: Convolutions, norms: Mapping[str, Layer], order: Sequence[str]) -> list[str]:
    """The file lists layers as they were made, which is how they run; the names should say the same."""
    places = {name: place for place, name in enumerate(order)}
    if not places:
        return []
    for first, second in pairwise(convolutions.blocks):
        if places[second.name] < places[first.name]:
            return [f"the file lists {second.name} before {first.name}, and the numbers in the names say the opposite"]
    for name, norm in norms.items():
        if places[norm.name] < places[name]:
            return [f"the norm {norm.name} stands before the convolution {name}"]
    return []
