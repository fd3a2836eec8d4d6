"""From a request to a run that is known to make sense; nothing is written yet."""

from __future__ import annotations

from augengine.compiling import generators_for
from augengine.dataset.check import check_source_mpp
from augengine.dataset.request import AugmentRequest
from augengine.dataset.resolved import Run
from augengine.engines.backends import pick_backend
from augengine.errors import SpecError
from augengine.fleet import check_address
from augengine.listing import Listing, check_readable, check_sides, describe
from augengine.progress import Watcher, counted
from augengine.runs import make_jobs
from augengine.sources import open_source
from augengine.spec import AugmentOptions, AugmentSpec, GateSpec, NoiseSpec, options_of
from augengine.stains import Stain
from augengine.weights.home import find_own_stain, reference_of


def resolve(request: AugmentRequest, watcher: Watcher) -> Run:
    """Check a request against its stain, its source and its weights.

    Raises:
        AugengineError: It is refused, with the reason and the next step.
    """
    check_address(request.ray_address)
    stain = find_own_stain(request.stain)
    spec = _spec(request, stain, watcher)
    source = open_source(
        request.source,
        stain=stain.name,
        masks=None if request.masks is None else str(request.masks),
        mask_suffix=request.mask_suffix,
        image_member=request.image_member,
        mask_member=request.mask_member,
    )
    weights = generators_for(stain, source, request.weights, watcher.note)
    listing = _checked(source.scan(), request, watcher)
    jobs = make_jobs(listing, spec, samples_per_shard=request.samples_per_shard)
    check_source_mpp(listing, weights.mpp, stated=spec.mpp, allowed=spec.allow_mpp, warn=watcher.warn)
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
    reference = reference_of(stain)
    eps = request.eps if request.eps is not None else stain.recommended_eps
    if eps is None:
        raise SpecError(f"nobody measured an eps for {stain.name}", hint="give --eps; the paper's best value is 0.05")
    if stain.realistic_eps is not None and eps > stain.realistic_eps:
        watcher.warn(f"eps {eps:g} is above {stain.realistic_eps:g}, where {stain.name} stops looking real")
    return AugmentSpec(
        stain=stain.name,
        reference=reference,
        noise=NoiseSpec(eps=eps, seed=request.seed),
        gate=_gate(request.gate, stain),
        **options_of(AugmentOptions, request),
    )


def _gate(least: float | None, stain: Stain) -> GateSpec | None:
    if least is None:
        return None
    return GateSpec(least=least, counterstain=stain.counterstain, chromogen=stain.chromogen)


def _checked(listing: Listing, request: AugmentRequest, watcher: Watcher) -> Listing:
    listing = check_sides(listing, request.max_side)
    for line in listing.warnings:
        watcher.warn(line)
    for line in describe(listing, request.limit):
        watcher.note(f"note: {line}")
    check_readable(listing, request.source)
    if bad := listing.bad:
        left_out = f"{len(bad)} of {counted(listing.samples, 'sample')} will be left out"
        watcher.warn(f"{left_out}, as {bad[0].name}: {bad[0].reason}")
    return listing
