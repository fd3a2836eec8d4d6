"""The metadata at the head of a dataset's card, which the Hugging Face hub and its library ``datasets`` read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from augengine.jobs import Report
from augengine.runs.outcome import Outcome
from augengine.runs.plan import Plan
from augengine.sample import MASK_EXT
from augengine.shards.content import Planned

_IMAGES = ("png", "jpg", "webp", MASK_EXT)
_TYPES = {str: "string", int: "int64", float: "float64"}
_SIZES = tuple(
    zip(
        (10**n for n in range(3, 10)),
        ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B"),
        strict=True,
    )
)


def metadata(outcome: Outcome, plan: Plan) -> str:
    """The metadata as YAML: counts, where the shards are, and the type of each column.

    Source: the hub's documentation of dataset cards, and the fields of ``datasets.DatasetInfo``.

    Args:
        outcome: What the run left.
        plan: Its plan.
    """
    from yaml import safe_dump  # only this needs it, and nothing of ours reads yaml

    samples = outcome.samples_out
    size = next((name for most, name in _SIZES if samples < most), "1B<n<10B")
    value: dict[str, Any] = {
        "pretty_name": title(plan),
        **({"task_categories": ["image-segmentation"]} if count_members(outcome.reports)[MASK_EXT] else {}),
        "tags": ["histopathology", "webdataset", "augengine"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": _data_files(outcome, plan)}],
    }
    if features := _features(outcome.reports, plan):
        value["dataset_info"] = {"features": features}
    return str(safe_dump(value, sort_keys=False, allow_unicode=True))


def title(plan: Plan) -> str:
    """What the dataset is, in a few words."""
    if plan.kind == "tile":
        return f"Tiles of slides at {plan.spec['mpp']:g} um/px"
    if plan.spec.get("shuffle"):
        return f"Augmented {plan.spec['stain']}, its markers shuffled"
    return f"Augmented {plan.spec['stain']} by way of {plan.spec['reference']}"


def count_members(reports: Sequence[Report]) -> Counter[str]:
    """Extension -> samples that have a member of that name."""
    found = Counter[str]()
    for report in reports:
        found.update(report.members)
    return found


def _data_files(outcome: Outcome, plan: Plan) -> list[dict[str, str]]:
    """One entry per split of tiled slides, whose shards' names begin with it; otherwise all is for training."""
    slides = [slide for slide in plan.source.values() if isinstance(slide, Mapping)] if plan.kind == "tile" else []
    splits = sorted({str(slide["split"]) for slide in slides if slide.get("split")})
    made = [report.output for report in outcome.reports if report.sha256]
    named = [split for split in splits if any(output.startswith(f"{split}-") for output in made)]
    return [{"split": each, "path": f"{each}-*.tar"} for each in named] or [{"split": "train", "path": "*.tar"}]


def _features(reports: Sequence[Report], plan: Plan) -> list[dict[str, Any]]:
    """The columns with their types; none where samples differ in their members, or have some of another tool."""
    members = count_members(reports)
    if not members or len(set(members.values())) > 1 or not members.keys() <= {*_IMAGES, "json"}:
        return []
    fields = Planned.of({"spec": plan.spec, "engines": plan.engines, "kind": plan.kind, "jobs": []}).fields
    struct = [{"name": name, "dtype": _TYPES[kind]} for name, kind in _json_fields(fields, plan).items()]
    texts = [{"name": name, "dtype": "string"} for name in ("__key__", "__url__")]
    images = [{"name": name, "dtype": "image"} for name in members if name in _IMAGES]
    return [*texts, *images, {"name": "json", "struct": struct}]


def _json_fields(fields: Mapping[str, type], plan: Plan) -> dict[str, type]:
    """With patients, tiles say theirs and its split too."""
    slides = [slide for slide in plan.source.values() if isinstance(slide, Mapping)] if plan.kind == "tile" else []
    return {**fields, **({"patient": str, "split": str} if any(slide["patient"] for slide in slides) else {})}
