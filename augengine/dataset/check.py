"""What makes a sample unfit before any engine sees it, and which samples pass through untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from augengine.dataset.spec import WorkerSpec
from augengine.errors import ContentError, SpecError
from augengine.jobs import Report
from augengine.listing import Listing
from augengine.pictures.images import check_image
from augengine.pictures.masks import check_mask
from augengine.pictures.metadata import check_image_metadata, check_upright
from augengine.sample import Failure, Sample
from augengine.spec import MAX_SIDE, AugmentSpec
from augengine.weights.cards import mpp_fits


def check_sample(sample: Sample, worker: WorkerSpec) -> Sample | Failure:
    """The sample itself, or why it is bad: its image's header and metadata, its mask's, its um/px."""
    try:
        check_image_metadata(sample.image)  # first: a turned image may be refused for another reason too
        size = check_image(sample.image, max_side=worker.spec.max_side)
        _check_side(size, worker)
        _check_mask(sample, size)
        _check_mpp(sample, worker)
    except ContentError as error:
        return Failure(sample.key, error.sentence)
    return sample


def _check_side(size: tuple[int, int], worker: WorkerSpec) -> None:
    """The plan has each size from another library; of a header that says two, each may read another."""
    height, width = worker.engines.height, worker.engines.width
    if size[0] > height or size[1] > width:
        raise ContentError(f"the image is {size[1]} x {size[0]} px, its header said less when it was planned")


def _check_mask(sample: Sample, size: tuple[int, int]) -> None:
    if sample.mask is None:
        return
    check_upright(sample.mask, what="mask")
    mask_size = check_mask(sample.mask, max_side=MAX_SIDE)
    if mask_size != size:
        (height, width), (mask_height, mask_width) = size, mask_size
        hint = "export it at the image's size, or resample it by nearest neighbour"
        raise ContentError(f"the mask is {mask_width} x {mask_height} px, its image {width} x {height} px", hint=hint)


def _check_mpp(sample: Sample, worker: WorkerSpec) -> None:
    own, stated = worker.engines.mpp, sample.meta.get("mpp")
    if sample.mpp is None and stated not in (None, 0, ""):
        hint = "write a number, such as 0.5, or leave the field out"
        raise ContentError(f"its json has {str(stated)[:40]!r} under mpp, which is no um/px", hint=hint)
    if sample.mpp is not None and own and not worker.spec.allow_mpp and not mpp_fits(sample.mpp, own):
        raise ContentError(f"the sample has {sample.mpp:g} um/px, the generators were trained at {own:g}")


def check_source_mpp(
    listing: Listing, own: float, *, stated: float | None, allowed: bool, warn: Callable[[str], None]
) -> None:
    """Refuse a source whose um/px are not those of the generators; warn where nobody says them.

    Args:
        listing: The source; what it says of itself comes first.
        own: um/px the generators were trained at.
        stated: um/px of a source that does not say; None if unknown.
        allowed: Accept any.
        warn: Told in a line.

    Raises:
        SpecError: They are more than 20 % off.
    """
    seen = listing.mpps or ((stated,) if stated else ())
    if not seen:
        warn(f"the um/px of the source are unknown, the generators need about {own:g}; say --mpp")
    off = [mpp for mpp in seen if not mpp_fits(mpp, own)]
    if off and not allowed:
        raise SpecError(
            f"the source has {off[0]:g} um/px, the generators were trained at {own:g}",
            hint="resample the source (`augengine tile --mpp`), or accept it with --allow-mpp",
        )


def passes_through(sample: Sample, spec: AugmentSpec) -> bool:
    """Whether a sample's class is one to leave untouched."""
    return bool(spec.skip_classes) and class_of(sample) in spec.skip_classes


def class_of(sample: Sample) -> str:
    """A sample's class: its ``cls`` member, or ``class`` in its json; empty if it has none."""
    return sample.extras.get("cls", b"").decode(errors="replace").strip() or str(sample.meta.get("class", ""))


def odd_classes(reports: Iterable[Report], spec: AugmentSpec) -> Iterator[str]:
    """A sentence on what is odd about the classes of a finished dataset: of its samples, and of their masks."""
    found = tuple(reports)
    yield from _unmet_classes(found, spec)
    if {number for report in found for number in report.class_pixels} == {0, _WHITE}:
        hint = f"`augengine train unet --classes {_WHITE}` takes it for a class, and many trainers ignore it"
        yield f"the masks hold 0 and {_WHITE}, and a mask's pixel is its class: {hint}"


_WHITE = 255


def _unmet_classes(reports: Iterable[Report], spec: AugmentSpec) -> Iterator[str]:
    """A sentence on each class of ``--skip-class`` that no sample of a finished dataset has."""
    met = {name for report in reports for name in report.skipped}
    for name in spec.skip_classes:
        if name not in met:
            yield f"no sample has the class {name!r} of --skip-class: a class is a sample's cls, or class in its json"
