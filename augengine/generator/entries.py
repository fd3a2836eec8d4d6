"""Which tensors of a checkpoint are one generator's: containers, prefixes, several networks in one file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from augengine.errors import CheckpointError
from augengine.generator.reparametrised import check_folded, fold

State = Mapping[str, Tensor]

_DEEPEST = 8
_MAX_DIGITS = 9
MAX_MAPPINGS = 10_000
"""Mappings of a checkpoint that are looked into; a training's with its optimizer has a few hundred."""

_COUNTERS = ("n_averaged", "num_updates", "initted", "step", "decay")
"""What averages of a network keep beside its copy: values without dimensions, or of one element."""
_DIGITS = re.compile(r"(\d+)")


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sort key by which ``model.10`` comes after ``model.9``; the order of the layers in every common naming."""
    parts = (part for part in _DIGITS.split(name) if part)
    return tuple((1, part) if (number := number_in(part)) is None else (0, number) for part in parts)


def number_in(part: str) -> int | None:
    """The number that a part of a name is; None for any text, and for more digits than modules can have."""
    return int(part) if part.isascii() and part.isdecimal() and len(part) <= _MAX_DIGITS else None


def pick_state(loaded: Any, entry: str | None, source: str) -> dict[str, Tensor]:
    """The state dict of one generator, out of whatever a checkpoint file held.

    Args:
        loaded: A state dict, or mappings of them to any depth; other values in them are passed over.
        entry: The part of the tensors' dotted names that says which generator, as ``netG_A``; None if there is one.
        source: The file, for the error's sentence.

    Raises:
        CheckpointError: No generator, several, or none of that name.
    """
    everything = dict(_state_dicts(loaded, source))
    if not everything:
        kind = type(loaded).__name__
        raise CheckpointError(f"{source} holds no state dict but {kind}", hint="save netG.state_dict() alone")
    everything = {path: fold(state) for path, state in everything.items()}
    states = everything if entry is None else _below(everything, entry)
    found = _all_generators(states)
    if len({tuple(map(id, state.values())) for state in found.values()}) == 1:  # perhaps under several names
        return next(iter(found.values()))
    if found:
        raise CheckpointError(
            f"{source} holds {len(found)} generators: {_listed(found)}", hint="choose one with --entry NAME"
        )
    raise _no_generator(everything, states, entry, source)


def all_tensors(loaded: Any, source: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that may be a weight, by its dotted name; errors as in `pick_state`."""
    for path, tensors in _state_dicts(loaded, source):
        yield from ((_joined(path, name), tensor) for name, tensor in tensors.items())


def _all_generators(states: Mapping[str, State]) -> dict[str, dict[str, Tensor]]:
    return {name: state for path, whole in states.items() for name, state in _generators(path, whole)}


def _listed(generators: Iterable[str]) -> str:
    return ", ".join(name or "(the file's first level)" for name in generators)


def _state_dicts(loaded: Any, source: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every mapping that holds tensors itself, by the dotted path to it.

    One that stands under several names is given by each, but looked into once.

    Raises:
        CheckpointError: There are more than `MAX_MAPPINGS`.
    """
    waiting, seen, visits = [(loaded, "", 0)], set[int](), 0
    while waiting:
        value, path, depth = waiting.pop()
        # A pickle may hold a mapping inside itself, and one mapping under many names.
        if not isinstance(value, Mapping) or depth > _DEEPEST:
            continue
        visits += 1
        if visits > MAX_MAPPINGS:
            hint = "save the state dict alone: torch.save(netG.state_dict(), FILE)"
            raise CheckpointError(f"{source} holds more than {MAX_MAPPINGS} mappings", hint=hint)
        tensors = {name: tensor for name, tensor in _named(value) if isinstance(tensor, Tensor)}
        if weights := {name: tensor for name, tensor in tensors.items() if not _counts(name, tensor)}:
            yield path, weights
        if id(value) in seen:
            continue
        seen.add(id(value))
        # The last of the list comes next: so mappings come in the file's order, each before those within it.
        waiting += [(inner, _joined(path, name), depth + 1) for name, inner in reversed(list(_named(value)))]


def _named(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """The items of a mapping whose names are texts, or numbers as modules have them."""
    for name, inner in value.items():
        if isinstance(name, str) or (isinstance(name, int) and abs(name) < 10**_MAX_DIGITS):
            yield str(name), inner


def _counts(name: str, tensor: Tensor) -> bool:
    """Whether a value without dimensions stands at the top of a mapping, or counts the steps of an average."""
    return (tensor.ndim == 0 and "." not in name) or (tensor.numel() == 1 and name.rpartition(".")[2] in _COUNTERS)


def _joined(*parts: str) -> str:
    return ".".join(filter(None, parts))


def _below(states: Mapping[str, State], entry: str) -> dict[str, dict[str, Tensor]]:
    """What has the entry in its dotted name, as whole components."""
    wanted = f".{entry}."
    below = {
        path: {name: tensor for name, tensor in state.items() if wanted in f".{_joined(path, name)}."}
        for path, state in states.items()
    }
    return {path: state for path, state in below.items() if state}


def _generators(path: str, state: State) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The generators in one state dict, apart by the first component in which their names differ."""
    stems = _stems(state)
    if len(stems) == 1:
        yield path, dict(state)
    elif stems:
        depth = next(i for i, parts in enumerate(zip(*stems, strict=False)) if len(set(parts)) > 1)
        for prefix in sorted({".".join(stem[: depth + 1]) for stem in stems}):
            inner = {name: tensor for name, tensor in state.items() if name.startswith(f"{prefix}.")}
            yield from _generators_below(path, prefix, inner)


def _generators_below(path: str, prefix: str, inner: State) -> Iterator[tuple[str, dict[str, Tensor]]]:
    # With one stem in it, its own name is the prefix; with several, they are told apart further down.
    if len(_stems(inner)) == 1:
        yield _joined(path, prefix), dict(inner)
    else:
        yield from _generators(path, inner)


def _stems(state: State) -> list[list[str]]:
    """Names of first convolutions, (width, 3, 7, 7), by components."""
    sevens = [name for name in sorted(state, key=natural) if tuple(state[name].shape[1:]) == (3, 7, 7)]
    if sevens and state[sevens[0]].shape[0] == 3:
        sevens = sevens[::2]  # at width 3 the last convolution has the shape of the first
    return [name.split(".") for name in sevens if name.endswith("weight")]


def own_entry(state: State) -> str:
    """The first component that the generator's first and last convolution share, if other tensors do not have it."""
    stem = next(iter(_stems(state)), [])
    width = len(state[".".join(stem)]) if stem else 0
    ends = [name.split(".") for name, tensor in state.items() if tuple(tensor.shape) == (3, width, 7, 7)]
    shared = {end[0] for end in ends if end != stem} & set(stem[:1])
    others = {name.split(".")[0] for name in state} - shared
    return next(iter(shared), "") if others else ""


def _no_generator(
    everything: Mapping[str, State], chosen: Mapping[str, State], entry: str | None, source: str
) -> CheckpointError:
    if entry is not None and (generators := _all_generators(everything)):
        what = f"no entry {entry!r}" if not chosen else f"no generator in the entry {entry!r}"
        hint = f"the generators in it: {_listed(generators)}" + ("" if len(generators) > 1 else "; leave out --entry")
        return CheckpointError(f"{source} has {what}", hint=hint)
    if entry is not None and not chosen:
        tops = sorted({_joined(path, name).split(".")[0] for path, state in everything.items() for name in state})
        return CheckpointError(
            f"{source} has no entry {entry!r}", hint=f"at its first level are {', '.join(tops[:12])}"
        )
    for state in chosen.values():
        check_folded(state, source)
    where = f"entry {entry!r} of {source}" if entry else source
    tensors = ((_joined(path, name), tensor) for path, state in chosen.items() for name, tensor in state.items())
    first = next(((name, tuple(tensor.shape)) for name, tensor in tensors if tensor.ndim == 4), None)
    found = f"its first convolution {first[0]} has the shape {first[1]}" if first else "it has no convolution"
    return CheckpointError(
        f"{where} is no ResNet generator: {found}, expected (width, 3, 7, 7)",
        hint="give the file of a generator (netG), not of a discriminator or a U-Net",
    )
