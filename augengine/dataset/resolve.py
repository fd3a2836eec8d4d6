"""From a request to a run that is known to make sense; nothing is written yet."""

from __future__ import annotations

from dataclasses import dataclass

from augengine.dataset.check import check_source_mpp
from augengine.dataset.request import AugmentRequest
from augengine.engines.backends import pick_backend
from augengine.engines.base import Backend
from augengine.errors import SourceError, SpecError
from augengine.fleet import check_address
from augengine.jobs import Job
from augengine.listing import Listing, check_sides
from augengine.progress import Watcher, counted
from augengine.runs import make_jobs
from augengine.sources import SampleSet, Source, open_source
from augengine.sources.sample_set import NOTE
from augengine.spec import AugmentSpec, NoiseSpec, round_side
from augengine.stains import Stain, find_stain
from augengine.weights.cards import WeightsPair, find_weights
from augengine.weights.home import home, weight_roots


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A request, resolved and checked; nothing is written yet."""

    request: AugmentRequest
    stain: Stain
    spec: AugmentSpec
    source: Source
    listing: Listing
    jobs: tuple[Job, ...]
    weights: WeightsPair
    backend: Backend

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the engines."""
        height, width = self.listing.largest
        return round_side(height), round_side(width)


def resolve(request: AugmentRequest, watcher: Watcher) -> Run:
    """Check a request against its stain, its source and its weights.

    Raises:
        AugengineError: It is refused, with the reason and the next step.
    """
    check_address(request.ray_address)
    stain = find_stain(request.stain, home() / "stains")
    spec = _spec(request, stain, watcher)
    source = open_source(
        request.source,
        stain=stain.name,
        masks=None if request.masks is None else str(request.masks),
        mask_suffix=request.mask_suffix,
    )
    on_sample_set = isinstance(source, SampleSet)
    weights = find_weights(spec.reference, spec.stain, weight_roots(request.weights, sample_set=on_sample_set))
    listing = _checked(source.scan(), request, watcher)
    jobs = make_jobs(listing, spec, samples_per_shard=request.samples_per_shard)
    check_source_mpp(listing, weights.mpp, stated=spec.mpp, allowed=spec.allow_mpp, warn=watcher.warn)
    if on_sample_set:
        watcher.note(NOTE)
    backend = pick_backend(request.backend, watcher.note)
    return Run(
        request=request,
        stain=stain,
        spec=spec,
        source=source,
        listing=listing,
        jobs=jobs,
        weights=weights,
        backend=backend,
    )


def _spec(request: AugmentRequest, stain: Stain, watcher: Watcher) -> AugmentSpec:
    if stain.reference is None:
        raise SpecError(f"{stain.name} is a reference stain", hint="name the stain of your source, as cd68")
    eps = request.eps if request.eps is not None else stain.recommended_eps
    if eps is None:
        raise SpecError(f"nobody measured an eps for {stain.name}", hint="give --eps; the paper's best value is 0.05")
    if stain.realistic_eps is not None and eps > stain.realistic_eps:
        watcher.warn(f"eps {eps:g} is above {stain.realistic_eps:g}, where {stain.name} stops looking real")
    return AugmentSpec(
        stain=stain.name,
        reference=stain.reference,
        noise=NoiseSpec(eps=eps, seed=request.seed),
        variants=request.variants,
        include_source=request.include_source,
        image_format=request.image_format,
        mpp=request.mpp,
        allow_mpp=request.allow_mpp,
        skip_classes=request.skip_classes,
        limit=request.limit,
    )


def _checked(listing: Listing, request: AugmentRequest, watcher: Watcher) -> Listing:
    listing = check_sides(listing, request.max_side)
    if bad := listing.bad:
        watcher.warn(
            f"{len(bad)} of {counted(listing.samples, 'sample')} will be left out, as {bad[0].name}: {bad[0].reason}"
        )
    if not any(listing.largest):
        raise SourceError(f"no readable image in {request.source}", hint="png, jpg, tif, webp and bmp are read")
    return listing
