"""Slides of a realistic size: `make slow`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from augengine.shards.verify import verify
from tests.support.annotation_files import write_asap, write_cytomine, write_geojson
from tests.support.datasets import digests
from tests.support.real_pyramid import CLASS, RealPyramid, write_real_pyramid
from tests.support.tilings import cut

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_PEAK = """
import resource, sys
from augengine.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def pyramid(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealPyramid:
    file = tmp_path_factory.mktemp("pyramid") / "kidney.tif"
    return write_real_pyramid(file, shared_data / "kidney_pas_regions", columns=13, rows=17)


def test_three_formats_give_the_same_shards_on_a_slide_of_20_000_pixels(pyramid: RealPyramid, tmp_path: Path) -> None:
    assert min(pyramid.width, pyramid.height) >= 20_000
    folders = [tmp_path / name for name in ("geojson", "asap", "cytomine")]
    for folder in folders:
        folder.mkdir()
    write_geojson(folders[0] / "kidney.geojson", pyramid.polygons)
    write_asap(folders[1] / "kidney.xml", pyramid.polygons)
    write_cytomine(folders[2] / "kidney.json", pyramid.polygons, pyramid.height)
    options: dict[str, Any] = {"mpp": 1.0, "size": 256, "classes": (f"{CLASS}=1",), "centred_on": CLASS}
    for folder in folders:
        assert cut(pyramid.file, folder / "out", annotations=folder, **options).complete()
        assert verify(folder / "out").ok
    shards = [{k: v for k, v in digests(folder / "out").items() if k.endswith(".tar")} for folder in folders]
    assert shards[0] == shards[1] == shards[2]


def test_memory_does_not_grow_with_the_slide(pyramid: RealPyramid, shared_data: Path, tmp_path: Path) -> None:
    small = write_real_pyramid(tmp_path / "small.tif", shared_data / "kidney_pas_regions", columns=4, rows=4)
    peaks = [_peak_mib(slide.file, tmp_path / f"out{i}") for i, slide in enumerate((small, pyramid))]
    assert peaks[1] < peaks[0] + 200


def _peak_mib(slide: Path, out: Path) -> float:
    options = ["--mpp", "0.5", "--size", "256", "--random", "200", "--workers", "1", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, "tile", str(slide), *options], capture_output=True, text=True, check=True
    )
    return int(done.stderr.splitlines()[-1]) / 1024
