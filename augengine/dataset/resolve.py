"""From a request to a run that is known to make sense; nothing is written yet."""

from __future__ import annotations

from augengine.compiling import generators_for
from augengine.dataset.check import check_source_mpp
from augengine.dataset.marker_threshold import shuffle_spec
from augengine.dataset.request import AugmentRequest
from augengine.dataset.resolved import PairRun, Run
from augengine.dataset.scanning import checked_listing, source_of
from augengine.engines.backends import pick_backend
from augengine.errors import SpecError
from augengine.fleet import check_address
from augengine.progress import Watcher
from augengine.runs import make_jobs
from augengine.spec import AugmentOptions, AugmentSpec, GateSpec, NoiseSpec, options_of
from augengine.stains import Stain
from augengine.weights.home import find_own_stain, reference_of


def resolve(request: AugmentRequest, watcher: Watcher) -> Run:
    """Check a request against its stain, its source and, where generators run, its weights.

    Raises:
        AugengineError: It is refused, with the reason and the next step.
    """
    return resolve_shuffle(request, watcher) if request.method == "shuffle" else resolve_pair(request, watcher)


def resolve_pair(request: AugmentRequest, watcher: Watcher) -> PairRun:
    """The run of a pair of generators that a request asks for; errors as `resolve`."""
    stain = _checked_stain(request)
    spec = _spec(request, stain, watcher)
    source = source_of(request, stain)
    weights = generators_for(stain, source, request.weights, watcher.note)
    listing = checked_listing(source, request, watcher)
    jobs = make_jobs(listing, spec, samples_per_shard=request.samples_per_shard)
    check_source_mpp(listing, weights.mpp, stated=spec.mpp, allowed=spec.allow_mpp, warn=watcher.warn)
    backend = pick_backend(request.backend, watcher.note)
    return PairRun(
        request=request,
        stain=stain,
        spec=spec,
        source=source,
        listing=listing,
        jobs=jobs,
        weights=weights,
        backend=backend,
    )


def resolve_shuffle(request: AugmentRequest, watcher: Watcher) -> Run:
    """The run that shuffles markers; errors as `resolve`."""
    stain = _checked_stain(request)
    source = source_of(request, stain)
    listing = checked_listing(source, request, watcher)
    spec = AugmentSpec(
        stain=stain.name,
        reference="",
        shuffle=shuffle_spec(request, stain, source, listing, watcher),
        gate=_gate(request.gate, stain),
        **options_of(AugmentOptions, request),
    )
    jobs = make_jobs(listing, spec, samples_per_shard=request.samples_per_shard)
    return Run(request=request, stain=stain, spec=spec, source=source, listing=listing, jobs=jobs)


def _checked_stain(request: AugmentRequest) -> Stain:
    check_address(request.ray_address)
    return find_own_stain(request.stain)


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
