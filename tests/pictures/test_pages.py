"""Pictures of what the tool does: where masks lie is drawn into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from augengine.pictures.files import write_flicker
from augengine.pictures.pages import Row, contact_sheet, flicker_frames, outlined

GREEN = (0, 140, 70)


def test_the_border_of_a_mask_is_drawn_and_nothing_else_changes() -> None:
    image = np.full((32, 32, 3), 200, np.uint8)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 1
    drawn = outlined(image, mask)
    changed = (drawn != image).any(axis=2)
    assert {tuple(pixel) for pixel in drawn[changed].tolist()} == {GREEN}
    assert changed[7:9, 10:20].all()
    assert not changed[12:20, 12:20].any()
    assert not changed[:6].any()
    assert (image == 200).all()


def test_without_a_mask_a_picture_is_as_it_was() -> None:
    image = np.full((8, 8, 3), 200, np.uint8)
    assert outlined(image, None) is image


def test_a_sheet_draws_the_mask_into_the_source_and_every_variant() -> None:
    image = np.full((32, 32, 3), 200, np.uint8)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 3

    def green(mask: np.ndarray | None) -> int:
        variants = np.stack([image, image])
        row = Row(
            key="a",
            source=image,
            between=image,
            variants_khwc=variants,
            sigmas=(0.1, 0.2),
            numbers=(1, 2),
            mask=mask,
        )
        return int(
            (contact_sheet([row], stain="cd68", between="translated to pas", title="t") == GREEN).all(axis=2).sum()
        )

    assert green(None) == 0
    assert green(mask) == 3 * int((outlined(image, mask) == GREEN).all(axis=2).sum())


def row(value: int, variants: int) -> Row:
    image = np.full((32, 32, 3), value, np.uint8)
    drawn = np.stack([image // (2 + k) for k in range(variants)])
    numbers = tuple(range(1, 1 + variants))
    return Row(key="a", source=image, between=image, variants_khwc=drawn, sigmas=(0.1,) * variants, numbers=numbers)


def test_a_flicker_shows_sources_and_then_each_variant_that_all_have(tmp_path: Path) -> None:
    frames = flicker_frames([row(200, 3), row(100, 2)], stain="cd68", title="t")
    assert len({frame.shape for frame in frames}) == 1
    shown = [(200, 100), (100, 50), (66, 33)]
    for frame, pair in zip(frames, shown, strict=True):
        assert all((frame == value).all(axis=2).sum() >= 32 * 32 for value in pair)
    write_flicker(tmp_path / "new" / "f.gif", frames, seconds=0.5)
    with Image.open(tmp_path / "new" / "f.gif") as written:
        assert (written.n_frames, written.info["duration"], written.info["loop"]) == (3, 500, 0)  # type: ignore[attr-defined]
        for number, frame in enumerate(frames):
            written.seek(number)
            assert np.abs(np.asarray(written.convert("RGB")).astype(int) - frame).mean() < 1
