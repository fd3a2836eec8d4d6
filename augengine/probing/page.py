"""A probe as one HTML file: pictures, numbers and plots in it, so that it can be mailed and opened anywhere."""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augengine.measures.verdict import MEANING, NEXT_STEP
from augengine.probing.gallery import Gallery, Shot, Sitter
from augengine.probing.report import NoisePoint, Probe
from augengine.probing.request import ProbeRequest
from augengine.progress import counted
from augengine.spec import MASK_SUFFIX

_FILES = Path(__file__).parent / "report_page"

_ABOUT = {
    "markers.png": "The lower two draws agree, the more the markers move; their area should stay near the source's.",
    "eps.png": "Take an eps up to which both curves stay within the green band.",
    "response.png": "The curve should rise with the noise: where it stays at zero, noise does nothing.",
    "code.png": "If a blur or a JPEG costs the markers, they were hidden in fine detail; if nothing costs them, they "
    "were plain to see.",
    "spectrum.png": "Power at the right end is fine detail; what lies there beyond real tissue is room for the code.",
}
"""Says what to look for in each plot; the most telling plot comes first."""

_LOOK_AT_IT = "move the slider, and flicker between tile and variant; if markers move and tissue stays, take the eps"


def render_page(found: Probe, gallery: Gallery, plots: Mapping[str, bytes], request: ProbeRequest) -> bytes:
    """The report, UTF-8: it needs neither a server nor a network.

    Args:
        found: The numbers.
        gallery: The pictures, with sigma 0 and every sigma of ``found``.
        plots: The plots as PNGs, by file name; `draw_plots` makes them.
        request: What was asked, for the command to type.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 0.1 s, and only the report needs it

    pages = Environment(loader=FileSystemLoader(_FILES), autoescape=True, undefined=StrictUndefined)
    text = pages.get_template("report.html").render(
        found=found,
        meaning=MEANING[found.verdict.word],
        next_step=_LOOK_AT_IT if found.is_good else NEXT_STEP[found.verdict.word],
        details=found.details(),
        tiles=counted(len(found.tissue.keys), "tile"),
        masks=any(sitter.outline for sitter in gallery.sitters),
        plots=[(name.removesuffix(".png"), about, _data("png", plots[name])) for name, about in _ABOUT.items()],
        style=(_FILES / "report.css").read_text(encoding="utf-8"),
        script=(_FILES / "report.js").read_text(encoding="utf-8"),
        data=json.dumps(_shown(found, gallery, request)).replace("<", "\\u003c"),  # no tag ends the script early
    )
    return text.encode()


def _shown(found: Probe, gallery: Gallery, request: ProbeRequest) -> dict[str, Any]:
    """What the page's script reads."""
    sigmas = sorted(gallery.shots)
    return {
        "sigmas": [_sigma(sigma, found) for sigma in sigmas],
        "eps": found.choice.eps,
        "command": _command(request),
        "reference": found.tissue.reference,
        "tiles": [
            _tile(sitter, [gallery.shots[sigma][which] for sigma in sigmas])
            for which, sitter in enumerate(gallery.sitters)
        ],
    }


def _sigma(sigma: float, found: Probe) -> dict[str, Any]:
    if sigma == 0:
        bare = found.markers.objects
        text = f"Without noise {bare.kept} of {bare.before} small markers stay, {bare.new} are new."
        return {"sigma": 0, "text": text, "broken": ""}
    point = next(point for point in found.points if point.noise.sigma == sigma)
    kept = next(kept for kept in found.kept() if kept.sigma == sigma)
    broken = found.bounds.broken(kept)
    return {"sigma": sigma, "text": _sentence(point, kept.structure, kept.area), "broken": broken}


def _sentence(point: NoisePoint, structure: float, area: float) -> str:
    seen = point.objects
    return (
        f"In draw 1, over all tiles: {seen.kept} of {seen.before} small markers stay, {seen.lost} go, {seen.new} are "
        f"new. {structure:.0%} of the tissue's structure is left. The marker area is {area:.2f} times the source's."
    )


def _tile(sitter: Sitter, shots: list[list[Shot]]) -> dict[str, Any]:
    return {
        "key": sitter.key,
        "source": _data("jpeg", sitter.source),
        "intermediate": _data("jpeg", sitter.intermediate),
        "outline": None if sitter.outline is None else _data("png", sitter.outline),
        "shots": [[[_data("jpeg", shot.picture), _data("png", shot.moves)] for shot in draws] for draws in shots],
    }


def _command(request: ProbeRequest) -> str:
    """The command that augments with an eps, which the page puts in place of ``EPS``."""
    asked = request.specimen
    given = {
        "--in": asked.source,
        "--masks": asked.masks,
        "--mask-suffix": None if asked.mask_suffix == MASK_SUFFIX else asked.mask_suffix,
        "--mpp": asked.mpp,
        "--weights": asked.weights,
        "--backend": None if asked.backend == "auto" else asked.backend,
    }
    options = [str(word) for name, value in given.items() if value is not None for word in (name, value)]
    options += ["--allow-mpp"] * asked.allow_mpp
    drawn = ["--eps", "EPS", "--variants", "4", "--include-source", "--out", "my-shards/"]
    return shlex.join(["augengine", "augment", "--stain", asked.stain, *options, *drawn])


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
