"""Every stain that is known here, with its generators and what was found of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from augengine.stains import BUILT_IN, Stain
from augengine.weights.cards import WeightsPair, list_weights
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


def list_stains() -> list[KnownStain]:
    """The built-in stains and the user's own, by name; an own one hides a built-in one of its name.

    Raises:
        StainError: One of the user's own files is no stain.
        WeightsError: A pair is incomplete, damaged or mislabelled.
    """
    files = sorted((home() / "stains").glob("*.toml"))
    own = {stain.name: stain for stain in map(Stain.from_toml, files)}
    pairs = [*list_weights(weight_roots()), *list_weights([SAMPLE_WEIGHTS])]
    return [
        KnownStain(stain=stain, own=name in own, pairs=tuple(pair for pair in pairs if pair.stain == name))
        for name, stain in sorted({**BUILT_IN, **own}.items())
    ]


def _eps(stain: Stain) -> str:
    bound = "" if stain.realistic_eps is None else f", outputs look real up to {stain.realistic_eps:g}"
    return f"eps {stain.recommended_eps:g} recommended{bound}"


def _pair_lines(pair: WeightsPair) -> list[str]:
    tissue = "for the sample set" if pair.of_sample_set else f"in {pair.folder.parent}"
    return [f"generators {tissue}, {pair.mpp:g} um/px", f"  {pair.judged or 'no verdict is on their card'}"]
