"""A probe, from a request to its numbers, report and plots."""

from __future__ import annotations

import json
from typing import Any

from augengine.probing.gallery import Gallery
from augengine.probing.measuring import measure
from augengine.probing.output import make_folder, write_files
from augengine.probing.page import render_page
from augengine.probing.plots import draw_plots
from augengine.probing.report import Probe
from augengine.probing.request import ProbeRequest, as_request
from augengine.probing.specimen import open_specimen
from augengine.progress import LogWatcher, Watcher


def probe(request: ProbeRequest | None = None, watcher: Watcher | None = None, **options: Any) -> Probe:
    """Measure a pair of generators on tissue: what it hides, how it responds, how much noise the tissue tolerates.

    Writes ``report.html``, ``probe.json`` and the plots into ``request.out``.

    Args:
        request: What to measure; or as keywords its fields and those of a `SpecimenRequest`:
            ``probe(stain="cd68", source="tiles/", mpp=0.5, out="probe/")``.
        watcher: Told notes and warnings; None logs them.
        options: The keywords, without ``request``.

    Raises:
        SpecError: A keyword is no option, or a value is out of range.
        SourceError: No tile shows tissue, or none a marker.
        TargetError: The folder cannot be written.
        AugengineError: `open_specimen` raised it.
    """
    request = as_request(request, options)
    watcher = watcher or LogWatcher()
    with open_specimen(request.specimen, threshold=request.threshold, note=watcher.note, warn=watcher.warn) as specimen:
        make_folder(request.out)  # before a minute's work, not after it
        gallery = Gallery()
        found = measure(specimen, request, watcher.note, gallery=gallery)
    _write(request, found, gallery)
    return found


def _write(request: ProbeRequest, found: Probe, gallery: Gallery) -> None:
    text = json.dumps(found.to_json(), indent=2, ensure_ascii=False) + "\n"
    plots = draw_plots(found)
    files = {**plots, "probe.json": text.encode(), "report.html": render_page(found, gallery, plots, request)}
    write_files({request.out / name: data for name, data in files.items()})
