"""What to import as what, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from augengine.errors import SpecError
from augengine.json_values import to_json
from augengine.weights.cards import Card, Direction
from augengine.weights.recipe import Padding, RecipeName, Said, Upsampling

CLEARLY = 0.8
"""One cycle error is clearly the smaller if it is at most this share of the other."""

CLOSE_ERROR = 1.0
"""Mean difference in grey levels that 8 bits and float16 arithmetic explain."""

Verdict = Literal["as stated", "exchanged", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """One generator to import.

    Attributes:
        checkpoint: ``.pth``, ``.pt``, ``.ckpt`` (zip or legacy), ``.safetensors`` or ``.onnx``.
        stain: Its stain; by name, or a TOML file.
        direction: Which way it translates.
        reference: The reference stain, if it is to be checked against the stain's own.
        mpp: um/px of the images it was trained on; None for the other direction's, else 0.5.
        training: What it was trained on, in prose, for the card.
        weights: Root of the weights; None for ``$AUGENGINE_HOME/weights``.
        tiles: A source of real tiles of the stain, to tell the directions by; None for the sample set, recoloured.
        entry: Which of several generators in the file.
        recipe, upsampling, padding: What a checkpoint does not show; see `augengine.weights.recipe.Recipe`.
        example: A picture before and after by the network's own code, which decides what the tensors do not show.
        force: Replace what is there, and accept what looks exchanged.
    """

    checkpoint: Path
    stain: str
    direction: Direction
    reference: str | None = None
    mpp: float | None = None
    training: str | None = None
    weights: Path | None = None
    tiles: str | None = None
    entry: str | None = None
    recipe: RecipeName | None = None
    upsampling: Upsampling | None = None
    padding: Padding | None = None
    example: tuple[Path, Path] | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.mpp is not None and not 0 < self.mpp < 100:
            raise SpecError(f"mpp must be in (0, 100) um/px, got {self.mpp}", hint="0.5 is a 20x scan")

    @property
    def said(self) -> Said:
        """What is said of a checkpoint's architecture."""
        return Said(recipe=self.recipe, upsampling=self.upsampling, padding=self.padding)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleErrors:
    """Mean absolute cycle errors of a pair, in units of the [-1, 1] range.

    Attributes:
        stated: With the two generators in the directions that were said.
        exchanged: With the two exchanged.
        surrogate: Measured on the sample set, recoloured: generators that know other tissue may fail on it.
    """

    stated: float
    exchanged: float
    surrogate: bool

    @property
    def verdict(self) -> Verdict:
        """Which directions the generators have."""
        if self.stated <= CLEARLY * self.exchanged:
            return "as stated"
        return "exchanged" if self.exchanged <= CLEARLY * self.stated else "unclear"

    def sentence(self) -> str:
        """Say in a line both cycle errors, and on what they were measured."""
        where = "the sample tiles, recoloured" if self.surrogate else "tiles of the stain"
        return f"cycle error {self.stated:.3g}, with the two exchanged {self.exchanged:.3g} (on {where})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well a generator agrees with an example.

    Attributes:
        error: Mean absolute difference, in grey levels.
        reading: Which reading of the tensors it is; empty for an ONNX file, which has only one.
        alike: Other readings that fit about as well, with their differences.
    """

    error: float
    reading: str = ""
    alike: tuple[tuple[str, float], ...] = ()

    def sentence(self) -> str:
        """Say in a line how far the stored generator is from the example."""
        return f"it agrees with the example: the mean difference is {self.error:.2g} grey levels"

    def warnings(self) -> Iterator[str]:
        """What the user should look at."""
        if self.alike:
            others = "; ".join(f"{says} ({error:.2g})" for says, error in self.alike)
            yield (
                f"the example does not tell it from {others}: give a lossless or a larger one, or say what you know by "
                "--recipe, --upsampling and --padding"
            )
        if self.error > CLOSE_ERROR:
            yield (
                f"the example differs by {self.error:.2g} grey levels in the mean, more than 8 bits cost: right if it "
                "went through a lossy encoder, else something is still read wrongly"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A generator as it was stored.

    Attributes:
        file: The ONNX file; its card lies beside it.
        card: What the card says.
        found: What the checkpoint holds, in a line.
        assumed: What it does not show, a phrase each.
        warnings: What the user should look at, a sentence each.
        cycle: How well it goes with the other direction; None if that is not there yet.
        fit: How well the stored form agrees with the example; None without one.
    """

    file: Path
    card: Card
    found: str
    assumed: tuple[str, ...]
    warnings: tuple[str, ...]
    cycle: CycleErrors | None
    fit: Fit | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        cycle = None if self.cycle is None else to_json(self.cycle) | {"verdict": self.cycle.verdict}
        return {
            "file": str(self.file),
            "card": to_json(self.card),
            "found": self.found,
            "assumed": list(self.assumed),
            "warnings": list(self.warnings),
            "cycle": cycle,
            "example": None if self.fit is None else to_json(self.fit),
        }

    def lines(self) -> list[str]:
        """Lines that say what rounding cost, how the generator and the pair fit, and where the generator lies."""
        parity = self.card.parity
        lines = [
            f"the cost of rounding to float16: RMS {parity.rms:.1e}, at most {parity.max:.1e} "
            f"({parity.max * 127.5:.2g} grey levels)"
        ]
        lines += [] if self.fit is None else [self.fit.sentence()]
        lines += [] if self.cycle is None else [self.cycle.sentence()]
        lines += [f"wrote {self.file}"]
        if self.cycle is None:
            name = self.card.stain
            lines += [f"the other direction is not there yet; until it is imported too, {name} cannot be augmented"]
        return lines
