"""Annotations that pathologists drew, in three programs, and masks of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from PIL import Image

from augengine.annotations import Labels, find_labels, open_labels
from augengine.errors import ContentError


def _mask(labels: Labels, name: str, width: int, height: int) -> NDArray[np.uint8]:
    return labels.mask(0, 0, downsample=1, height=height, width=width, classes={name: 1})


@pytest.mark.parametrize(("name", "count"), [("VAN0003-LK-33-2-PAS_FFPE", 96), ("VAN0009-LK-106-2-PAS_FFPE", 144)])
def test_glomeruli_of_a_qupath_export_cover_the_same_tissue_at_every_scale(
    name: str, count: int, shared_data: Path
) -> None:
    file = shared_data / "annotations" / f"{name}_glom_annotations.json"
    labels = open_labels(file, slide_width=60_000, slide_height=60_000)
    boxes = labels.objects("Glomerulus")
    assert labels.classes == {"glomerulus"}
    assert (len(boxes), labels.problems) == (count, ())
    drawn = [shapely.Polygon(each["geometry"]["coordinates"][0]) for each in json.loads(file.read_text())]
    for box, polygon in list(zip(boxes, drawn, strict=True))[:20]:
        for downsample in (1.0, 1.9876, 4.0):
            size = int(max(box.right - box.left, box.bottom - box.top) / downsample) + 3
            corner = (box.x - size * downsample / 2, box.y - size * downsample / 2)
            mask = labels.mask(*corner, downsample=downsample, height=size, width=size, classes={"glomerulus": 1})
            tile = shapely.box(*corner, corner[0] + size * downsample, corner[1] + size * downsample)
            near = [each for each in drawn if shapely.intersects(each, tile)]
            covered = sum(shapely.intersection(each, tile).area for each in near)
            assert abs(mask.sum() * downsample**2 - covered) < 0.02 * covered
            assert mask[size // 2, size // 2] == shapely.contains_xy(
                shapely.union_all(near), *(at + (size // 2 + 0.5) * downsample for at in corner)
            )
        assert polygon.bounds == (box.left, box.top, box.right, box.bottom)


@pytest.mark.parametrize(("name", "count"), [("c1", 7), ("c2", 6), ("c3", 6), ("c4", 7)])
def test_glomeruli_of_an_imagej_zip_lie_where_they_were_drawn(name: str, count: int, shared_data: Path) -> None:
    picture = shared_data / "kidney_ihc_vegf" / f"{name}.jpg"
    file = find_labels(picture, None)
    assert file is not None
    with Image.open(picture) as opened:
        width, height = opened.size
    labels = open_labels(file, slide_width=width, slide_height=height, default_class="glomerulus")
    boxes = labels.objects("glomerulus")
    assert (len(boxes), labels.problems) == (count, ())
    assert all(60 < box.right - box.left < 260 for box in boxes)  # a glomerulus, at about 0.68 um/px
    mask = _mask(labels, "glomerulus", width, height)
    assert all(mask[int(box.y), int(box.x)] == 1 for box in boxes)
    with pytest.raises(ContentError, match=f"none of the {count} objects .* it has no class") as refusal:
        open_labels(file, slide_width=width, slide_height=height)
    assert "--default-class" in refusal.value.hint


def test_labelme_outlines_of_every_region_are_read(shared_data: Path) -> None:
    folder = shared_data / "kidney_pas_regions"
    found = [
        open_labels(file, slide_width=1600, slide_height=1200)
        for picture in sorted(folder.glob("*.jpg"))
        if (file := find_labels(picture, folder)) is not None
    ]
    assert (len(found), sum(len(labels.objects("glomeruli")) for labels in found)) == (16, 66)
    assert not [problem for labels in found for problem in labels.problems]
    halved = open_labels(folder / "107.json", slide_width=3200, slide_height=2400)
    masks = [
        _mask(found[0], "glomeruli", 1600, 1200),
        halved.mask(0, 0, downsample=2, height=1200, width=1600, classes={"Glomeruli": 1}),
    ]
    assert np.array_equal(masks[0], masks[1])


def test_a_red_mask_is_class_76(shared_data: Path) -> None:
    folder = shared_data / "kidney_pas_masks"
    for picture in sorted((folder / "images").glob("*.png")):
        file = find_labels(picture, folder / "masks")
        assert file is not None
        labels = open_labels(file, slide_width=1024, slide_height=1024)
        with Image.open(file) as opened:
            red = np.asarray(opened.convert("RGB"))[..., 0] == 255
        assert labels.classes == {"76"}
        assert np.array_equal(_mask(labels, "76", 1024, 1024) == 1, red)
        assert 1 <= len(labels.objects("76")) <= 9
