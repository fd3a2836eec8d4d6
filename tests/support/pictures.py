"""Small pictures and masks that look like tissue to a codec, and damaged ones."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augengine.stains import BUILT_IN

Pixels = NDArray[np.uint8]


def tissue(height: int = 48, width: int = 64, seed: int = 0) -> Pixels:
    """uint8 (height, width, 3): a pale field with darker blobs and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    density = np.zeros((height, width))
    for _ in range(12):
        cy, cx, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(2, 6)
        density += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * radius**2))
    colour = np.exp(-density[..., None] * np.array([0.65, 0.70, 0.29])) * 235
    pixels: Pixels = np.clip(colour + rng.normal(0, 3, colour.shape), 0, 255).astype(np.uint8)
    return pixels


def stained(side: int = 96, seed: int = 0, spots: int = 6) -> Pixels:
    """uint8 (side, side, 3): tissue with brown discs of 5 px radius, as CD68 shows macrophages."""
    rng = np.random.default_rng(100 + seed)
    y, x = np.mgrid[:side, :side]
    spotted = np.zeros((side, side), dtype=bool)
    for cy, cx in rng.uniform(10, side - 10, (spots, 2)):
        spotted |= (y - cy) ** 2 + (x - cx) ** 2 < 25
    brown = np.exp(-1.2 * spotted[..., None] * np.array(BUILT_IN["cd68"].chromogen))
    return np.asarray(tissue(side, side, seed=seed) * brown, dtype=np.uint8)


def spotted(side: int = 96, spots: int = 1, seed: int = 0) -> Pixels:
    """uint8 (side, side, 3): white, with a few brown discs of 5 px radius."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    density = np.zeros((side, side))
    for _ in range(spots):
        cy, cx = rng.uniform(8, side - 8, 2)
        density += (y - cy) ** 2 + (x - cx) ** 2 < 25
    picture = 245 * np.exp(-np.minimum(density, 1)[..., None] * np.array(BUILT_IN["cd68"].chromogen))
    return np.asarray(picture, dtype=np.uint8)


def class_ids(height: int = 48, width: int = 64, classes: int = 3, seed: int = 0) -> Pixels:
    """uint8 (height, width): blocks of class ids below ``classes``."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, classes, (-(-height // 8), -(-width // 8)), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]


def encode(pixels: Pixels, fmt: str = "PNG", mode: str | None = None, **options: object) -> bytes:
    """Encode by Pillow, after a conversion to ``mode`` if one is given."""
    picture = Image.fromarray(pixels)
    out = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(out, fmt, **options)
    return out.getvalue()


def decode(data: bytes) -> Pixels:
    """Decode by Pillow, as the file says: class ids stay class ids."""
    return np.asarray(Image.open(io.BytesIO(data)))


def bomb(side: int = 60000) -> bytes:
    """A PNG of a few hundred bytes whose header promises ``side`` x ``side`` pixels."""
    return _png(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), bytes(1000))


def packed_grey(ids: Pixels, bits: int) -> bytes:
    """A greyscale PNG of 1, 2, 4 or 8 bits a pixel, whose width is a multiple of 8; Pillow writes 8 bits only."""
    height, width = ids.shape
    digits = np.unpackbits(ids[:, :, None], axis=2)[:, :, 8 - bits :].reshape(height, width * bits)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(digits, axis=1))
    return _png(struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0), rows)


def _png(header: bytes, rows: bytes) -> bytes:
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def turned(pixels: Pixels, fmt: str, orientation: int, **options: Any) -> bytes:
    """A picture whose EXIF asks readers to turn it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(pixels, fmt, exif=exif, **options)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_folder(folder: Path, names: list[str], *, masks: bool = False, height: int = 48, width: int = 64) -> Path:
    """A folder of PNG tissue, one picture a name (a relative path without extension), masks beside them if asked."""
    for seed, name in enumerate(names):
        file = folder / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(tissue(height, width, seed)))
        if masks:
            file.with_name(f"{file.stem}_mask.png").write_bytes(encode(class_ids(height, width, seed=seed)))
    return folder
