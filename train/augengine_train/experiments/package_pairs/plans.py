"""What each of the package's pairs learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.pictures.arrays import RgbImage
from augengine_train.data import Domain, Holdout, open_domain
from augengine_train.data.matched_tiles import write_matched_tiles, write_tile

MPP = 0.5
LIMITS = "trained on one field per stain: shows the machinery, proves nothing clinical"
NO_GLOMERULUS = "the PAS field holds no glomerulus"
REFERENCE = "pas"
_FIELD, _FIELD_MPP = "fields_40x/pas.png", 0.25
_REFERENCE_NOTE = "the PAS field (Hannover, 40x) halved"
_HELD_OUT = Holdout(strip=0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """What a pair learns from.

    Attributes:
        data: File or folder within the data folder.
        mpp: Its um/px.
        note: What it is, for the card.
        markers: Share of the crops that are placed on markers.
    """

    data: str
    mpp: float
    note: str
    markers: float = 0.0


PLANS: Mapping[str, PairPlan] = {
    "cd34": PairPlan(data="fields_40x/cd34.png", mpp=0.25, note="the CD34 field (Hannover, 40x) halved"),
    # Macrophages cover half a percent of these patches.
    "cd68": PairPlan(
        data="cd68_glomeruli_20x",
        mpp=0.5,
        note="three CD68 glomeruli (Hannover, 20x), half the crops on markers",
        markers=0.5,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MorePas:
    """More pictures of PAS at 0.5 um/px, of another laboratory; their colours are matched to the PAS field's.

    Attributes:
        folder: Where the pictures lie, or where ``images/`` does, with masks of glomeruli in ``masks/`` beside it.
        left_out: Names of pictures that no training sees, to be measured on later.
    """

    folder: Path
    left_out: tuple[str, ...] = ()

    @property
    def pictures(self) -> Path:
        """The folder of the pictures themselves."""
        return self.folder / "images" if (self.folder / "images").is_dir() else self.folder

    @property
    def masks(self) -> Path | None:
        """The folder of their masks; None if they have none."""
        return self.folder / "masks" if (self.folder / "masks").is_dir() else None

    def note(self) -> str:
        """What a card says of them."""
        kept = f" without {', '.join(self.left_out)}" if self.left_out else ""
        return f"the pictures of {self.folder.name}{kept}, their colours matched to that field's in Lab"

    def write(self, field: RgbImage, out: Path) -> Path:
        """Write the PAS field and the matched tiles into one folder of pictures, and return that.

        Raises:
            SourceError: The pictures are missing, or one left out is none of them.
            TargetError: ``out`` cannot be written.
        """
        write_matched_tiles(self.pictures, field, out, mpp=MPP, left_out=self.left_out)
        write_tile(out / "field.png", field, MPP)
        return out


def pas_field(data: Path) -> RgbImage:
    """The PAS field at 0.5 um/px, uint8 (H, W, 3).

    Raises:
        SourceError: It is not there.
    """
    return open_domain(str(data / _FIELD), name=REFERENCE, mpp=_FIELD_MPP, target_mpp=MPP).images[0]


def open_pair(stain: str, data: Path, out: Path, more: MorePas | None = None) -> tuple[Domain, Domain]:
    """The reference's and the stain's domain at 0.5 um/px, with the right fifth of every picture held out.

    Raises:
        SourceError: The data are not there.
        TargetError: The matched pictures of ``more`` cannot be written to ``out``.
    """
    plan = PLANS[stain]
    reference = str(more.write(pas_field(data), out / "data" / REFERENCE) if more else data / _FIELD)
    options: dict[str, Any] = {"target_mpp": MPP, "holdout": _HELD_OUT}
    return (
        open_domain(reference, name=REFERENCE, mpp=_FIELD_MPP, **options),
        open_domain(str(data / plan.data), name=stain, mpp=plan.mpp, **options),
    )


def notes(stain: str, more: MorePas | None) -> dict[str, str]:
    """What a pair learns from, for its card: a note by domain."""
    beside = f", and {more.note()}" if more else ""
    own = f"{PLANS[stain].note}; the right fifth of all held out"
    return {"reference": f"{_REFERENCE_NOTE}{beside}", "stain": own}
