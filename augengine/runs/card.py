"""A dataset's card: ``README.md`` in its folder, for people and for the Hugging Face hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augengine.jobs import Report
from augengine.pictures.moments import mean_and_deviation
from augengine.progress import counted, readable_bytes
from augengine.runs.card_metadata import count_members, metadata, title
from augengine.runs.outcome import Outcome
from augengine.runs.plan import Plan
from augengine.runs.summary import cell
from augengine.sample import MASK_EXT
from augengine.shards.layout import CARD_MARK, card_file, spool_folder
from augengine.shards.records import write_file
from augengine.storage import AnyPath, read_whole

_PATIENTS_SHOWN = 50
MAX_CARD_BYTES = 1 << 24


def write_card(outcome: Outcome, plan: Plan, about: Mapping[str, Any]) -> None:
    """Write the card of a dataset, unless a ``README.md`` that somebody else wrote is there.

    The card says nothing of times, hosts, workers or the folder's own name: the same command writes the same card.

    Args:
        outcome: What the run left.
        plan: Its plan.
        about: ``command``, the command line that makes the dataset, and of an augmented one the ``verdict``.

    Raises:
        TargetError: It cannot be written.
    """
    file = card_file(outcome.folder)
    if not _is_ours_to_write(file):
        return
    text = f"---\n{CARD_MARK}\n{metadata(outcome, plan)}---\n\n" + "\n".join(_lines(outcome, plan, about)) + "\n"
    write_file(file, text.encode(), spool_folder(outcome.folder))


def _is_ours_to_write(file: AnyPath) -> bool:
    """Whether there is no card yet, or one that we wrote; what cannot be read is somebody else's."""
    try:
        before = read_whole(file, limit=MAX_CARD_BYTES)
    except OSError:
        return False
    return before is None or CARD_MARK.encode() in before


def _lines(outcome: Outcome, plan: Plan, about: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {title(plan)}\n"
    yield from _counts(outcome)
    yield f"\n## How it was made\n\n```\n{about['command']} --out this-folder/\n```"
    yield from _augmentation(plan)
    if verdict := about.get("verdict"):
        sure = "" if verdict["sure"] else ", not surely"
        yield f"\n## The pair of generators on this source\n\n{cell(verdict['word'])}{sure}: {cell(verdict['reason'])}."
    yield from _masks(outcome, about)
    yield from _patients(outcome.reports)
    yield _READING


_READING = """
## How to read it

```python
from augengine import open_dataset

for sample in open_dataset("this-folder/", p=0.5, seed=0):
    image, mask = sample["image"], sample["mask"]
```
Every sample has an image, perhaps a mask of class ids under `seg.png`, and a `json` that says how it was made. The
shards are plain WebDataset tars, and `.augengine/` holds the plan and what became of every source sample."""


def _counts(outcome: Outcome) -> Iterator[str]:
    samples, size = outcome.account.samples(), outcome.account.total("size")
    made = counted(outcome.account.in_state("done"), "shard")
    yield f"{counted(samples['out'], 'sample')} in {made}, {readable_bytes(size)}.\n"
    yield "| source samples | |\n|---|---|"
    for name in ("in", "written", "failed", "quarantined", "emptied", "left"):
        if samples[name] or name in ("in", "written"):
            yield f"| {name} | {samples[name]} |"
    pixels = sum(report.pixels for report in outcome.reports)
    if pixels:
        total, squares = (_sum(outcome.reports, name) for name in ("channel_sum", "channel_sum_sq"))
        mean, deviation = (_triple(values) for values in mean_and_deviation(pixels, total, squares))
        yield "\n| pixels of the images, in [0, 1] | red | green | blue |\n|---|---|---|---|"
        yield f"| mean | {mean} |\n| deviation | {deviation} |"


def _sum(reports: Sequence[Report], name: str) -> list[int]:
    return [sum(getattr(report, name)[channel] for report in reports) for channel in range(3)]


def _triple(values: tuple[float, float, float]) -> str:
    return " | ".join(f"{value:.4f}" for value in values)


def _augmentation(plan: Plan) -> Iterator[str]:
    if plan.kind == "tile":
        return
    spec = plan.spec
    if shuffle := spec.get("shuffle"):
        yield f"""
The markers of each image were found by colour deconvolution, from a concentration of {shuffle["threshold"]:.3g} on, and
laid down at other places in its tissue, by the seed {shuffle["seed"]}. No generator ran. Masks are those of the
source."""
    else:
        noise = spec["noise"]
        yield f"""
Each image was translated to {spec["reference"]}, and Gaussian noise was added there. Its deviation was drawn from
(0, {noise["eps"]:g}] in units of [-1, 1], by the seed {noise["seed"]}. Then the image was translated back. The
generators ran in {plan.engines["precision"]}. Masks are those of the source."""
    if gate := spec.get("gate"):
        yield f"Variants whose counterstain's SSIM with their source is below {gate['least']:g} were left out."


def _masks(outcome: Outcome, about: Mapping[str, Any]) -> Iterator[str]:
    pixels, members = outcome.class_pixels, count_members(outcome.reports)
    if not members[MASK_EXT]:
        yield "\nThere are no masks."
        return
    names: dict[int, list[str]] = {}
    for name, found in about.get("classes", {}).items():
        names.setdefault(found["id"], []).append(name)
    yield "\n## Classes\n\n| id | class | pixels | share |\n|---|---|---|---|"
    for number, count in pixels.items():
        named = cell(", ".join(names.get(number, [] if number else ["background"])))
        yield f"| {number} | {named} | {count} | {count / sum(pixels.values()):.4f} |"
    have = f"{members[MASK_EXT]} of {counted(outcome.samples_out, 'sample')}"
    yield f"\n{have} have a mask, and {outcome.annotated} show a class other than 0."


def _patients(reports: Sequence[Report]) -> Iterator[str]:
    found = Counter[str]()
    for report in reports:
        found.update(report.patients)
    if found:
        yield "\n## Patients\n\n| patient | source samples |\n|---|---|"
        yield from (f"| {cell(name)} | {count} |" for name, count in sorted(found.items())[:_PATIENTS_SHOWN])
        more = f", of whom the first {_PATIENTS_SHOWN} are shown" if len(found) > _PATIENTS_SHOWN else ""
        yield f"\n{counted(len(found), 'patient')} in all{more}."
