"""Writers of annotation files: the same polygons, as each program would have saved them.

Polygons are pairs of a class name and a shapely polygon in level-0 pixels, y downwards. Coordinates are written in
full, so that what is read is what was meant.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi, roiwrite
from shapely import Polygon

from augengine.annotations import Labels, open_labels

Polygons = Sequence[tuple[str, Polygon]]

SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]
HOLE = [[15, 15], [20, 15], [20, 20], [15, 20], [15, 15]]


def write_geojson(
    file: Path, polygons: Polygons, *, layout: Literal["collection", "list", "feature"] = "collection"
) -> Path:
    """QuPath's GeoJSON; ``feature`` writes the first polygon alone."""
    features = [_feature(name, polygon) for name, polygon in polygons]
    documents: dict[str, Any] = {
        "collection": {"type": "FeatureCollection", "features": features},
        "list": features,
        "feature": features[0] if features else None,
    }
    file.write_text(json.dumps(documents[layout]))
    return file


def _feature(name: str, polygon: Polygon) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": _rings(polygon)},
        "properties": {"objectType": "annotation", "classification": {"name": name, "color": [200, 0, 0]}},
    }


def _rings(polygon: Polygon) -> list[list[tuple[float, float]]]:
    """The outer ring, then the holes, each closed."""
    return [[(float(x), float(y)) for x, y in ring.coords] for ring in (polygon.exterior, *polygon.interiors)]


def write_asap(file: Path, polygons: Polygons) -> Path:
    """ASAP's XML. It has no holes: the ring runs from its first vertex to each hole's and back, round the hole."""
    lines = ['<?xml version="1.0"?>', "<ASAP_Annotations><Annotations>"]
    for i, (name, polygon) in enumerate(polygons):
        lines.append(f'<Annotation Name="Annotation {i}" Type="Polygon" PartOfGroup={quoteattr(name)} Color="#F4FA58">')
        points = enumerate(_keyhole(polygon))
        rows = [f'<Coordinate Order="{order}" X="{x!r}" Y="{y!r}" />' for order, (x, y) in points]
        lines += ["<Coordinates>", *rows, "</Coordinates></Annotation>"]
    groups = "".join(f'<Group Name={quoteattr(name)} PartOfGroup="None" />' for name in {name for name, _ in polygons})
    lines.append(f"</Annotations><AnnotationGroups>{groups}</AnnotationGroups></ASAP_Annotations>")
    file.write_text("\n".join(lines))
    return file


def _keyhole(polygon: Polygon) -> list[tuple[float, float]]:
    outer, *holes = _rings(shapely.orient_polygons(polygon))
    ring = outer[:-1]
    for hole in holes:
        ring += [outer[0], *hole]
    return [*ring, outer[0]] if holes else ring


def write_halo(file: Path, polygons: Polygons) -> Path:
    """HALO's XML: ImageScope's, with other words for vertices and types."""
    written = write_aperio(file, polygons).read_text()
    file.write_text(written.replace("<Vertex ", "<V ").replace('Type="0"', 'Type="Polygon" HasEndcaps="0"'))
    return file


def write_aperio(file: Path, polygons: Polygons) -> Path:
    """ImageScope's XML: a layer a class, holes as negative regions."""
    lines = ['<Annotations MicronsPerPixel="0.5">']
    for i, layer in enumerate(dict.fromkeys(name for name, _ in polygons), start=1):
        lines.append(f'<Annotation Id="{i}" Name={quoteattr(layer)} Visible="1"><Attributes/><Regions>')
        rings = [_rings(polygon) for name, polygon in polygons if name == layer]
        lines += [_region(outer, negative=False) for outer, *_ in rings]
        lines += [_region(hole, negative=True) for _, *holes in rings for hole in holes]
        lines.append("</Regions></Annotation>")
    file.write_text("\n".join([*lines, "</Annotations>"]))
    return file


def _region(ring: list[tuple[float, float]], *, negative: bool) -> str:
    vertices = "".join(f'<Vertex X="{x!r}" Y="{y!r}" Z="0"/>' for x, y in ring[:-1])
    return f'<Region Type="0" Text="" NegativeROA="{negative:d}"><Attributes/><Vertices>{vertices}</Vertices></Region>'


def write_cytomine(file: Path, polygons: Polygons, slide_height: int) -> Path:
    """Cytomine's annotations by the file's extension: json, or csv with a column of WKT; y counts from below."""
    rows = [(i, _wkt(polygon, slide_height), name) for i, (name, polygon) in enumerate(polygons, start=1)]
    if file.suffix == ".csv":
        with file.open("w", newline="") as opened:
            csv.writer(opened, delimiter=";").writerows([("ID", "WKT", "Term"), *rows])
    else:
        found = [{"id": i, "image": 7, "location": wkt, "term": [name]} for i, wkt, name in rows]
        file.write_text(json.dumps({"collection": found, "size": len(found)}))
    return file


def _wkt(polygon: Polygon, slide_height: int) -> str:
    rings = [", ".join(f"{x!r} {slide_height - y!r}" for x, y in ring) for ring in _rings(polygon)]
    return f"POLYGON ({', '.join(f'({ring})' for ring in rings)})"


def write_labelme(file: Path, polygons: Polygons, *, width: int, height: int) -> Path:
    """LabelMe's json for a picture of a size; holes are left out, since it has none."""
    shapes: list[dict[str, Any]] = [
        {"label": name, "points": _rings(polygon)[0][:-1], "shape_type": "polygon", "group_id": None, "flags": {}}
        for name, polygon in polygons
    ]
    document = {"version": "5.5.0", "shapes": shapes, "imagePath": "x.jpg", "imageWidth": width, "imageHeight": height}
    file.write_text(json.dumps(document))
    return file


def write_packed_geojson(file: Path, polygons: Polygons) -> Path:
    """QuPath's compressed export: a zip of one GeoJSON."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{file.stem}.geojson", json.dumps([_feature(name, polygon) for name, polygon in polygons]))
    return file


def mask_shape(name: str, ids: NDArray[Any], *, left: int, top: int) -> dict[str, Any]:
    """A shape of LabelMe's AI tools: a picture of its pixels, and the first and the last pixel of its box."""
    packed = io.BytesIO()
    Image.fromarray(ids).save(packed, "PNG")
    height, width = ids.shape
    return {
        "label": name,
        "points": [[left, top], [left + width - 1, top + height - 1]],
        "shape_type": "mask",
        "mask": base64.b64encode(packed.getvalue()).decode(),
    }


def write_rois(file: Path, polygons: Polygons) -> Path:
    """ImageJ's zip of regions with sub-pixel vertices; holes are left out, since a polygon has none."""
    rois = [_roi(f"{name}-{i}", polygon) for i, (name, polygon) in enumerate(polygons, start=1)]
    roiwrite(file, rois, mode="w")
    return file


def _roi(name: str, polygon: Polygon) -> ImagejRoi:
    roi = ImagejRoi.frompoints(np.array(_rings(polygon)[0][:-1], np.float32), name=name)
    roi.roitype = ROI_TYPE.POLYGON
    roi.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    return roi


def zip_rois(*rois: ImagejRoi) -> bytes:
    """A zip of regions, each named as ImageJ names them."""
    return zip_files({f"{i:04d}-0001.roi": roi.tobytes() for i, roi in enumerate(rois)})


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """A zip of files by their names."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return packed.getvalue()


def read(file: Path, content: Any, default_class: str | None = None) -> Labels:
    """Write text, bytes or a json value, and read it as the labels of a slide of 100 x 80 px."""
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return open_labels(file, slide_width=100, slide_height=80, default_class=default_class)


def area(labels: Labels, name: str = "a") -> int:
    """The pixels of a class on the slide of `read`."""
    mask = labels.mask(0, 0, downsample=1, height=80, width=100, classes={name: 1})
    return int(mask.sum())
