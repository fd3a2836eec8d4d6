"""The commands as an engineer guesses them from Python: plain texts, keywords, no watcher."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from augengine import AugmentRequest, TileRequest, augment, probe, tile
from augengine.errors import SpecError
from tests.support.pictures import write_folder
from tests.support.slide_files import specimen, write_slide


@pytest.mark.e2e
def test_augment_takes_keywords_and_texts_and_says_what_it_made(
    small_weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, out = write_folder(tmp_path / "in", ["a", "b"]), str(tmp_path / "out")
    said: dict[str, Any] = {
        "stain": "cd68",
        "eps": 0.05,
        "source": str(source),
        "weights": str(small_weights),
        "mpp": 0.5,
    }
    with caplog.at_level(logging.INFO, logger="augengine"):
        made = augment(**said, out=out, force=True)
    assert repr(made).startswith(f"<Summary: 2 samples in 1 shard in {out}")
    assert any("engines: openvino" in text for text in caplog.messages)
    again = augment(AugmentRequest(**said, out=out, force=True))  # type: ignore[arg-type]
    assert again.resumed == 1


@pytest.mark.e2e
def test_tile_takes_one_slide_and_one_class_as_texts(tmp_path: Path) -> None:
    slide = write_slide(tmp_path / "s.tif", specimen())
    made = tile(slides=str(slide), out=str(tmp_path / "out"), size=64)
    assert repr(made).startswith(f"<TileSummary: {made.tiles} tiles")
    request = TileRequest(slides="s.tif", out="out", classes="a=1", annotations="drawn")  # type: ignore[arg-type]
    assert (request.slides, request.classes, request.annotations) == (("s.tif",), ("a=1",), Path("drawn"))


def test_what_is_no_field_is_refused_with_the_fields() -> None:
    with pytest.raises(SpecError, match="AugmentRequest has no field 'variant'") as caught:
        augment(stain="cd68", out="out", variant=4)
    assert "variants" in caught.value.hint
    with pytest.raises(SpecError, match="lacks fields"):
        augment(stain="cd68")
    with pytest.raises(SpecError, match="not both"):
        tile(TileRequest(slides=("s",), out=Path("o")), slides="s")


@pytest.mark.e2e
def test_probe_takes_the_fields_of_both_requests_beside_each_other(tmp_path: Path, small_weights: Path) -> None:
    said: dict[str, Any] = {"stain": "cd68", "weights": str(small_weights), "tiles": 2, "size": 64}
    found = probe(**said, out=str(tmp_path / "out"), sigmas=(0.05,))
    assert (tmp_path / "out" / "probe.json").is_file()
    assert repr(found).startswith("<Probe of cd68 on 2 tiles: unstable")
    with pytest.raises(SpecError, match=r"SpecimenRequest lacks fields: .* 'stain'"):
        probe(source="tiles/", out="probe/")
    with pytest.raises(SpecError, match="probe has no option 'sigma'"):
        probe(stain="cd68", out="probe/", sigma=0.1)
