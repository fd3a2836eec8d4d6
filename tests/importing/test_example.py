"""A picture before and after decides between readings, as far as it can."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from augengine.errors import CheckpointError, SourceError
from augengine.importing.example import MAX_ERROR, MAX_SIDE, Example, pick_reading, read_example
from augengine.importing.request import CLOSE_ERROR, Fit
from tests.support.pictures import encode, tissue

Images = NDArray[np.float32]
HINT = "leave out --recipe"


def written(folder: Path, before: bytes, after: bytes) -> tuple[Path, Path]:
    files = folder / "in.png", folder / "out.png"
    for file, data in zip(files, (before, after), strict=True):
        file.write_bytes(data)
    return files


def darker(share: float, x: Images) -> Images:
    return (x + 1) * np.float32(share) - 1


def as_png(y_nchw: Images) -> bytes:
    return encode(np.clip(np.rint(127.5 * (y_nchw[0].transpose(1, 2, 0) + 1)), 0, 255).astype(np.uint8))


def example_of(share: float, folder: Path) -> Example:
    x = tissue(64, 96, 1).transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - 1
    return read_example(written(folder, encode(tissue(64, 96, 1)), as_png(darker(share, x))), 4)


def readings(*shares: float) -> list[tuple[str, float, Callable[[], Callable[[Images], Images]]]]:
    return [(f"{share:g}", share, lambda share=share: partial(darker, share)) for share in shares]  # type: ignore[misc]


def test_the_reading_that_fits_is_taken_wherever_it_stands(tmp_path: Path) -> None:
    example = example_of(0.7, tmp_path)
    for shares in ((0.7, 0.5, 0.6), (0.5, 0.6, 0.7)):
        chosen, fit = pick_reading(example, readings(*shares), HINT)
        assert (chosen, fit.reading, fit.alike) == (0.7, "0.7", ())
        assert fit.error < 0.1
        assert not list(fit.warnings())


def test_readings_that_fit_alike_are_said_and_the_first_of_them_is_taken(tmp_path: Path) -> None:
    chosen, fit = pick_reading(example_of(0.7, tmp_path), readings(0.5, 0.7002, 0.7), HINT)
    assert chosen == 0.7002
    assert [says for says, _ in fit.alike] == ["0.7"]
    assert any("does not tell it from 0.7" in warning for warning in fit.warnings())


def test_where_none_fits_the_nearest_is_named_with_its_difference(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none of 2 readings.*the nearest, 0\.6, differs by \d+") as caught:
        pick_reading(example_of(0.7, tmp_path), readings(0.2, 0.6), HINT)
    assert caught.value.hint.startswith(f"{HINT}; or export it as ONNX")


def test_a_reading_that_cannot_be_built_or_is_not_finite_fits_nothing(tmp_path: Path) -> None:
    def unbuilt() -> Callable[[Images], Images]:
        raise CheckpointError("it does not fit")

    def endless(x: Images) -> Images:
        return x * np.float32(np.nan)

    broken = [("unbuilt", 0.0, unbuilt), ("endless", 0.0, lambda: endless)]
    assert pick_reading(example_of(0.7, tmp_path), [*broken, *readings(0.7)], HINT)[0] == 0.7
    with pytest.raises(CheckpointError, match="inf grey levels"):
        pick_reading(example_of(0.7, tmp_path), broken, HINT)


def test_seven_grey_levels_are_no_fit_and_half_a_one_is_no_lossy_encoder() -> None:
    assert 3 < MAX_ERROR < 7
    assert not list(Fit(error=0.5).warnings())
    assert any("lossy" in warning for warning in Fit(error=CLOSE_ERROR + 0.1).warnings())


@pytest.mark.parametrize("quality", [95, 85, 75])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_jpeg_is_compared_after_the_same_compression(quality: int, subsampling: int, tmp_path: Path) -> None:
    """Noise, of which a JPEG leaves little: without that, no tolerance would tell readings apart."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    after = io.BytesIO()
    Image.fromarray(noise).save(after, "JPEG", quality=quality, subsampling=subsampling)
    example = read_example(written(tmp_path, encode(noise), after.getvalue()), 4)
    y = noise.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - 1
    assert example.difference(y) < 0.5
    assert example.difference(darker(0.9, y)) > 3


def test_what_is_no_picture_or_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    good = encode(tissue(64, 96, 1))
    grey = io.BytesIO()
    Image.new("L", (96, 64)).save(grey, "PNG")
    cases: list[tuple[bytes, bytes, str]] = [
        (good, encode(tissue(64, 64, 1)), "gives images of the size it takes"),
        (good, b"", "empty"),
        (b"no picture at all", good, "no picture"),
        (good, grey.getvalue(), "greyscale"),
        (encode(tissue(62, 96, 1)), encode(tissue(62, 96, 1)), "multiples of 4"),
        (encode(tissue(8, 8, 1)), encode(tissue(8, 8, 1)), "from 16 px up"),
        (*(2 * (encode(np.zeros((16, MAX_SIDE + 4, 3), np.uint8)),)), f"the longest side allowed is {MAX_SIDE}"),
    ]
    for before, after, reason in cases:
        with pytest.raises(SourceError, match=reason) as caught:
            read_example(written(tmp_path, before, after), 4)
        assert caught.value.hint
    with pytest.raises(SourceError, match="cannot read"):
        read_example((tmp_path / "none.png", tmp_path / "in.png"), 4)
