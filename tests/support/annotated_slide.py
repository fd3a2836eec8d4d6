"""A drawn slide and its annotations, to be tiled: fixtures that the tests of tiling share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import Polygon, box

from tests.support.annotation_files import write_geojson
from tests.support.pictures import Pixels
from tests.support.slide_files import write_slide

DISC = Polygon([(420 + 60 * np.cos(t), 300 + 60 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)[:-1]])
OBJECTS: dict[str, Any] = {"classes": ("glomerulus=1",), "centred_on": "glomerulus"}


@pytest.fixture
def slide(picture: Pixels, tmp_path: Path) -> Path:
    """A slide of 900 x 700 px at 0.25 um/px whose middle third is tissue."""
    return write_slide(tmp_path / "s.tif", picture)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A folder with the annotations of `slide`: a disc with a hole, and a square."""
    holed = DISC.difference(box(410, 290, 430, 310))
    folder = tmp_path / "labels"
    folder.mkdir()
    write_geojson(folder / "s.geojson", [("Glomerulus", holed), ("Glomerulus", box(330, 500, 370, 540))])
    return folder
