"""Every stain that is known here, with its generators and what was found of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augengine.errors import AugengineError
from augengine.stains import BUILT_IN, Stain, find_stain
from augengine.weights.cards import WeightsPair, find_weights, list_pairs
from augengine.weights.home import SAMPLE_WEIGHTS, home, weight_roots


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStain:
    """A stain, and the generators that commands would take for it.

    Attributes:
        stain: The stain.
        own: Whether it is from a file among the user's own stains.
        pairs: Its generators: those for the user's images first, the sample set's own pair last; empty if none.
    """

    stain: Stain
    own: bool
    pairs: tuple[WeightsPair, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        pairs = [{"name": pair.name, "folder": str(pair.folder), "judged": pair.judged} for pair in self.pairs]
        return asdict(self.stain) | {"own": self.own, "pairs": pairs}

    def lines(self) -> list[str]:
        """What is known, a line each."""
        stain = self.stain
        if stain.reference is None:
            return [f"{stain.name}: a reference stain, which others are translated to"]
        eps = "eps: measure it with augengine probe" if stain.recommended_eps is None else _eps(stain)
        pairs = [line for pair in self.pairs for line in _pair_lines(pair)] or ["generators: none; train a pair"]
        note = [stain.note] if stain.note else []
        head = f"{stain.name}: by way of {stain.reference}{', your own' if self.own else ''}; {eps}"
        return [head, *(f"  {line}" for line in (*note, *pairs))]


@dataclass(frozen=True, slots=True, kw_only=True)
class StainList:
    """The stains by name, and what could not be read: a sentence for each, with what to do."""

    stains: tuple[KnownStain, ...]
    unreadable: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"stains": [each.to_json() for each in self.stains], "unreadable": list(self.unreadable)}

    def lines(self) -> list[str]:
        """All of it, a line each."""
        listed = [line for each in self.stains for line in each.lines()]
        return [*listed, *(f"cannot be used: {reason}" for reason in self.unreadable)]


def list_stains() -> StainList:
    """The built-in stains and the user's own; an own one hides a built-in one of its name."""
    unreadable: list[str] = []
    own = {stain.name: stain for stain in _own_stains(unreadable)}
    pairs = [*_pairs(weight_roots(), unreadable), *_pairs([SAMPLE_WEIGHTS], unreadable)]
    stains = [
        KnownStain(
            stain=stain,
            own=name in own,
            pairs=tuple(pair for pair in pairs if (pair.stain, pair.reference) == (name, stain.reference)),
        )
        for name, stain in sorted({**BUILT_IN, **own}.items())
    ]
    return StainList(stains=tuple(stains), unreadable=tuple(unreadable))


def _own_stains(unreadable: list[str]) -> Iterable[Stain]:
    """The user's own stains, as `--stain` would find them; what cannot be read is added to ``unreadable``."""
    folder = home() / "stains"
    for file in sorted(folder.glob("*.toml")):
        try:
            yield find_stain(file.stem, folder)
        except AugengineError as error:
            unreadable.append(error.sentence)


def _pairs(roots: Sequence[Path], unreadable: list[str]) -> Iterable[WeightsPair]:
    """The pairs that commands would find in these folders; what is wrong with one is added to ``unreadable``."""
    for reference, stain in list_pairs(roots):
        try:
            yield find_weights(reference, stain, roots)
        except AugengineError as error:
            unreadable.append(error.sentence)


def _eps(stain: Stain) -> str:
    bound = "" if stain.realistic_eps is None else f"; outputs look real up to {stain.realistic_eps:g}"
    return f"augment takes eps {stain.recommended_eps:g}{bound}"


def _pair_lines(pair: WeightsPair) -> list[str]:
    tissue = "for the sample set" if pair.of_sample_set else f"in {pair.folder.parent}"
    return [f"generators {tissue}, {pair.mpp:g} um/px", f"  {pair.judged or 'no verdict is on their card'}"]
