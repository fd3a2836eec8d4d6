"""A numbered series of fields: which patient and which seeds each has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augengine.errors import SpecError
from augengine.json_values import to_json
from augengine_train.phantom.draws import derive_seed
from augengine_train.phantom.patients import Patient
from augengine_train.phantom.spec import (
    NO_INFILTRATES,
    UNCORRELATED,
    Correlation,
    FieldSpec,
    Infiltrates,
    PhantomStain,
)

DRAWING_VERSION = 2
"""Written into every folder; raised whenever the same spec gives other pixels (a test tells)."""

MAX_FIELDS = 1_000_000
_MAX_PATIENTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Fields 0 ... ``count`` - 1, dealt to patients in turn.

    A field is a pure function of the seed, its patient, its number among that patient's and the options of drawing: a
    longer series begins with the shorter one's fields, and two stains of one seed show the same tissue. Generators
    that are trained on unpaired pictures need two seeds.

    Attributes:
        stain: pas, cd68 or cd34.
        count: How many fields.
        side: Side of a field in pixels.
        mpp: Resolution of the fields, in um per pixel.
        seed: Root of every field's seeds.
        patients: How many people they are of.
        first_patient: Number of the first of them: two series without a person in common differ in it.
        correlations: How many markers glomeruli hold; several are dealt to the patients in turn.
        infiltrates: Bait in the interstitium of all fields.
        marker_round: Another round draws other markers into the same anatomy.
    """

    stain: PhantomStain
    count: int
    side: int = 512
    mpp: float = 0.5
    seed: int = 0
    patients: int = 1
    first_patient: int = 0
    correlations: tuple[Correlation, ...] = (UNCORRELATED,)
    infiltrates: Infiltrates = NO_INFILTRATES
    marker_round: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_FIELDS:
            raise SpecError(f"a series has 1 to {MAX_FIELDS} fields, got {self.count}")
        if not 1 <= self.patients <= _MAX_PATIENTS:
            raise SpecError(f"a series is of 1 to {_MAX_PATIENTS} patients, got {self.patients}")
        if self.patients > self.count:
            hint = "draw more fields, or of fewer patients"
            raise SpecError(f"{self.count} fields cannot be of {self.patients} patients", hint=hint)
        if not 1 <= len(self.correlations) <= self.patients:
            hint = "each patient has one"
            raise SpecError(
                f"{len(self.correlations)} correlations cannot be dealt to {self.patients} patients", hint=hint
            )
        self.spec(0)

    def spec(self, number: int) -> FieldSpec:
        """What field ``number`` is drawn from."""
        patient, own = self._own(number)
        again = f", round {self.marker_round}" if self.marker_round else ""
        return FieldSpec(
            side=self.side,
            mpp=self.mpp,
            stain=self.stain,
            patient=patient,
            anatomy_seed=derive_seed(self.seed, f"anatomy of patient {patient}, field {own}"),
            marker_seed=derive_seed(self.seed, f"markers of {self.stain} of patient {patient}, field {own}{again}"),
            correlation=self.correlations[number % self.patients % len(self.correlations)],
            infiltrates=self.infiltrates,
        )

    def key(self, number: int) -> str:
        """The key of field ``number``: ``p03_00017``."""
        patient, own = self._own(number)
        return f"{Patient.of(patient).name}_{own:05d}"

    def _own(self, number: int) -> tuple[int, int]:
        return self.first_patient + number % self.patients, number // self.patients

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, with the drawing's version."""
        return dict(to_json(self)) | {"drawing_version": DRAWING_VERSION}


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """How two series as json differ, a phrase each."""
    names = sorted(wanted.keys() | found.keys())
    return [f"{name} {found.get(name)} there, {wanted.get(name)} wanted" for name in names
            if wanted.get(name) != found.get(name)]  # fmt: skip
