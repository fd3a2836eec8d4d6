"""The tissue of a unit: a set that is learnt from, one that chooses, and four drawings of one that is tested on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from augengine.digests import canonical_json
from augengine.pictures.encode import encode_image, encode_mask
from augengine.sample import variant_key
from augengine.shards import ShardWriter, members_of
from augengine_train.experiments.reliance.plan import Oracle, Plan
from augengine_train.phantom import Series, draw_field, write_series
from augengine_train.phantom.spec import NO_INFILTRATES, Infiltrates, deal_correlations

Test = Literal["even", "crowded", "moved", "bait"]
"""The same anatomy four times: markers spread evenly; crowded in glomeruli as in the training; evenly once more, from
another draw; and crowded, with infiltrates that are as crowded."""

Role = Literal["train", "validation"] | Test
TESTS: tuple[Test, ...] = ("even", "crowded", "moved", "bait")
ROLES: tuple[Role, ...] = ("train", "validation", *TESTS)

_FIRST_PATIENT = 1000
"""Generators are trained on patients below this number."""


def series_of(plan: Plan, unit: int, role: Role) -> Series:
    """What a role of a unit is drawn from. No two units share a patient, with each other or with the generators."""
    counts = {"train": plan.train_patients, "validation": plan.validation_patients, "test": plan.test_patients}
    kind = role if role in ("train", "validation") else "test"
    before = {"train": 0, "validation": counts["train"], "test": counts["train"] + counts["validation"]}
    crowded = role not in ("even", "moved")
    bait = Infiltrates(per_mm2=plan.infiltrates, density=plan.correlation)
    return Series(
        stain=plan.stain,
        count=counts[kind] * plan.tiles,
        side=plan.side,
        mpp=plan.mpp,
        seed=plan.seed,
        patients=counts[kind],
        first_patient=_FIRST_PATIENT + unit * sum(counts.values()) + before[kind],
        correlations=deal_correlations([plan.correlation if crowded else 1.0]),
        infiltrates=bait if role == "bait" else NO_INFILTRATES,
        marker_round=1 if role == "moved" else 0,
    )


def folder_of(out: Path, unit: int, role: Role) -> Path:
    """Where a role's shards are."""
    return out / "tissue" / f"unit-{unit}" / role


def draw_tissue(plan: Plan, out: Path, note: Callable[[str], None]) -> None:
    """Draw what is missing.

    Raises:
        PlanMismatch: A folder holds other tissue.
        TargetError: It cannot be written.
    """
    for unit in plan.numbers:
        note(f"tissue of unit {unit}")
        for role in ROLES:
            write_series(series_of(plan, unit, role), folder_of(out, unit, role))


def write_oracle(plan: Plan, unit: int, oracle: Oracle, file: Path) -> None:
    """The training tiles with their markers drawn anew, as variants 1 ... K; kept if it is there already.

    Raises:
        TargetError: It cannot be written.
    """
    if file.is_file():
        return
    draft = file.with_suffix(".part")  # its index takes the name of the tar
    with ShardWriter(draft) as writer:
        for number in range(series_of(plan, unit, "train").count):
            for variant in range(1, plan.variants + 1):
                writer.add(*_moved(_oracle_series(plan, unit, oracle, variant), number, variant))
    draft.replace(file)


def _oracle_series(plan: Plan, unit: int, oracle: Oracle, variant: int) -> Series:
    seen = series_of(plan, unit, "train")
    correlation = plan.correlation if oracle == "oracle-same" else 1.0
    return Series(
        stain=seen.stain,
        count=seen.count,
        side=seen.side,
        mpp=seen.mpp,
        seed=seen.seed,
        patients=seen.patients,
        first_patient=seen.first_patient,
        correlations=deal_correlations([correlation]),
        marker_round=variant,
    )


def _moved(series: Series, number: int, variant: int) -> tuple[str, list[tuple[str, bytes]]]:
    """Key and members of one tile with other markers."""
    field, key = draw_field(series.spec(number)), series.key(number)
    record = {"source_key": key, "variant": variant, "made": "oracle", "mpp": series.mpp, "source": "{}"}
    members = members_of(
        encode_image(field.image, "png"),
        "png",
        mask=encode_mask(field.glomeruli),
        json=canonical_json(record),
        extras={},
    )
    return variant_key(key, variant), list(members)
