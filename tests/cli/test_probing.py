"""`augengine probe` and `augengine preview`: what they write and print, and what they refuse."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augengine.errors import SpecError
from augengine.probing import PreviewRequest, SpecimenRequest
from augengine.stains import BUILT_IN, Stain
from tests.support.pictures import decode, encode, stained
from tests.support.probes import FEW, SIDE, asked, call, options, refused
from tests.support.probes import tiles as tiles


@pytest.mark.parametrize(
    "changes",
    [{"sigmas": (0.0, 0.1)}, {"sigmas": (3.0,)}, {"sigmas": ()}, {"seed": -1}, {"threshold": -1.0}],
)
def test_a_request_checks_itself(changes: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        asked(**changes)


@pytest.mark.parametrize(
    "changes", [{"sigmas": (0.1, 0.0)}, {"sigmas": ()}, {"draws": 1}, {"sigma": 3.0}, {"out": Path("a.jpg")}]
)
def test_a_request_for_a_preview_checks_itself(changes: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        PreviewRequest(specimen=SpecimenRequest(stain="cd68"), **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def probed(tiles: Path, copies: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A probe's folder, and what it printed."""
    out = tmp_path_factory.mktemp("probed") / "new" / "probe"
    result = call("probe", *options(tiles, copies, *FEW, "--reference-in", tiles, "--out", out))
    assert result.exit_code == 1, result.output  # a pair that copies hardly responds
    return out, result.stdout


@pytest.mark.e2e
def test_the_command_probes_and_plots(probed: tuple[Path, str]) -> None:
    out, said = probed
    assert "verdict: hardly responds (augmentation would do nothing)" in said
    assert "next: train a pair that hides its markers" in said
    assert re.search(r"small markers: (\d+) in cd68; without noise \1 stay, 0 are new", said)
    assert "left out: blank: the tile is of one colour" in said
    assert "left out: broken: " in said
    assert "real pas tiles" in said
    found = json.loads((out / "probe.json").read_text())
    assert found["tissue"]["keys"] == ["t0", "t1", "t2"]
    assert found["reference_tiles"] == 3
    assert found["points"][0]["objects"]["kept"] == found["markers"]["objects"]["kept"] > 0
    assert found["checkerboard_db"] == pytest.approx(0, abs=0.1)
    assert {cost["precision"] for cost in found["costs"]} >= {"float32"}
    pictures = {file.name: decode(file.read_bytes()) for file in out.glob("*.png")}
    assert set(pictures) == {"response.png", "markers.png", "eps.png", "code.png", "spectrum.png"}
    assert all(len(np.unique(picture)) > 30 for picture in pictures.values())


@pytest.mark.e2e
def test_the_same_command_gives_the_same_bytes(
    probed: tuple[Path, str], tiles: Path, copies: Path, tmp_path: Path
) -> None:
    more = ("--reference-in", tiles, "--out", tmp_path, "--json")
    result = call("probe", *options(tiles, copies, *FEW, *more))
    assert json.loads(result.stdout) == json.loads((tmp_path / "probe.json").read_text())
    first, second = ({file.name: file.read_bytes() for file in out.iterdir()} for out in (probed[0], tmp_path))
    assert first == second


@pytest.mark.e2e
def test_the_command_previews(tiles: Path, copies: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "look.png"
    more = ("--tiles", 3, "--sigmas", "0,0.1", "--draws", 3, "--sigma", 0.1, "--out", out)
    result = call("preview", *options(tiles, copies, *more))
    assert result.exit_code == 0, result.output
    files = [Path(line) for line in result.stdout.splitlines()]
    assert files == [out, out.with_name("look-draws.png"), out.with_name("look-markers.png")]
    by_sigma, by_draw, markers = (decode(file.read_bytes()) for file in files)
    for row in by_sigma, by_draw, markers:
        assert _shows(row, stained(SIDE, 0))
    assert by_sigma.shape[0] > 4 * SIDE  # the sources, A', and two sigmas
    assert by_draw.shape[1] > 4 * SIDE  # the source and three draws
    assert _shows(markers, np.full((SIDE // 2, SIDE // 2, 3), (12, 7, 34), np.uint8))  # where never is a marker
    assert json.loads(call("preview", *options(tiles, copies, *more, "--json")).stdout) == [str(file) for file in files]


def _shows(page: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a picture stands somewhere on a page, pixel for pixel."""
    height, width = picture.shape[:2]
    corners = np.argwhere((page[: -height or None, : -width or None] == picture[0, 0]).all(axis=2))
    return any((page[y : y + height, x : x + width] == picture).all() for y, x in corners)


@pytest.mark.e2e
@pytest.mark.parametrize("command", ["probe", "preview"])
def test_what_cannot_be_looked_at_is_refused_by_name(command: str, tiles: Path, copies: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out.png")
    blank = tmp_path / "blank"
    blank.mkdir()
    (blank / "b.png").write_bytes(encode(np.full((SIDE, SIDE, 3), 250, np.uint8)))
    (tmp_path / "bare.toml").write_text('name = "bare"\nreference = "pas"\n')
    refused(call(command, *options(blank, copies, *out)), "none of 1 tiles shows tissue (b: the tile is of one colour)")
    (tmp_path / "cd3.toml").write_text('name = "cd3"\nreference = "pas"\nchromogen = [0.27, 0.57, 0.78]\n')
    refused(call(command, *options(tiles, copies, *out, "--stain", tmp_path / "cd3.toml")), "no weights for pas-cd3 ")
    refused(call(command, *options(tiles, copies, *out, "--stain", "cd99")), "unknown stain 'cd99'")
    refused(call(command, *options(tiles, copies, *out, "--stain", "pas")), "pas is a reference stain")
    refused(call(command, *options(tiles, copies, *out, "--stain", tmp_path / "bare.toml")), "chromogen")
    (tmp_path / "one.toml").write_text('name = "one"\nreference = "pas"\nchromogen = [1.3, 1.4, 0.58]\n')
    refused(call(command, *options(tiles, copies, *out, "--stain", tmp_path / "one.toml")), "are one colour")
    refused(call(command, *options(tiles, copies, *out, "--mpp", 0.25)), "0.25 um/px", "trained at 0.5")
    refused(call(command, *options(tmp_path / "none", copies, *out)), "there is no")
    refused(call(command, *options(tiles, copies, *out, "--sigmas", "0.1,9")), "ascending in (0, 2]")
    refused(call(command, *options(tiles, copies, *out, "--threshold", -1)), "a concentration above 0")
    assert not (tmp_path / "out.png").exists()
    refused(call(command, "--stain", "cd34", *out), "the sample set is tissue of cd68, so cd34 needs")
    assert call(command, *options(tiles, copies, *out, "--sigmas", "some")).exit_code == 2
    taken = tiles / "t0.png" / "below.png"
    refused(call(command, *options(tiles, copies, "--tiles", 1, "--out", taken)), "cannot write")


@pytest.mark.e2e
def test_a_preview_marks_what_the_threshold_says(tiles: Path, copies: Path, tmp_path: Path) -> None:
    more = ("--tiles", 1, "--sigmas", "0", "--draws", 2, "--out", tmp_path / "p.png")
    pages = []
    for threshold in ((), ("--threshold", 0.9)):
        result = call("preview", *options(tiles, copies, *more, *threshold))
        assert result.exit_code == 0, result.output
        pages.append((tmp_path / "p-markers.png").read_bytes())
    assert pages[0] != pages[1]
    refused(call("preview", *options(tiles, copies, *more, "--threshold", 0)), "marker threshold")


@pytest.mark.e2e
def test_the_committed_cd68_pair_hides_macrophages_and_responds(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "hannover" / "cd68_glomeruli_20x"
    more = ("--size", 160, "--sigmas", "0.05", "--out", tmp_path / "out", "--json")
    result = call("probe", "--stain", "cd68", "--in", source, "--mpp", 0.5, *more)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    agreement = {point["noise"]["sigma"]: point["noise"]["agreement"] for point in found["points"]}
    assert agreement[0.05] > agreement[0.2]
    assert found["verdict"]["word"] == "hides and responds"
    assert found["choice"]["eps"] == 0.05
    assert found["markers"]["contrast_hidden"] < found["markers"]["contrast"]


@pytest.mark.e2e
def test_the_eps_that_was_found_is_applied_and_previewed(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "hannover" / "cd68_glomeruli_20x"
    stain = tmp_path / "mine.toml"
    stain.write_text(replace(BUILT_IN["cd68"], recommended_eps=0.3).to_toml())
    seen = ("--stain", stain, "--in", source, "--mpp", 0.5, "--size", 160)
    done = call("probe", *seen, "--sigmas", "0.05", "--out", tmp_path / "probe", "--apply", "--json")
    eps = json.loads(done.stdout)["choice"]["eps"]
    assert eps is not None
    assert f"recommended_eps = {eps:g}\n" in stain.read_text()
    assert Stain.from_toml(stain).chromogen == BUILT_IN["cd68"].chromogen
    shown = ("--draws", 2, "--sigmas", "0", "--out", tmp_path / "p.png")
    by_probe = call("preview", *seen, *shown, "--probe", tmp_path / "probe")
    assert by_probe.exit_code == 0, by_probe.output
    first = (tmp_path / "p-draws.png").read_bytes()
    call("preview", *seen, *shown, "--sigma", eps)
    assert (tmp_path / "p-draws.png").read_bytes() == first
    refused(call("preview", *seen, *shown, "--probe", tmp_path), "there is no", "--probe names the folder")


@pytest.mark.e2e
def test_a_missing_reference_is_asked_for_by_its_own_option(tiles: Path, copies: Path, tmp_path: Path) -> None:
    own = options(tiles, copies, *FEW, "--out", tmp_path / "out", "--reference-in", tmp_path / "none")
    refused(call("probe", *own), "there is no", "give --reference-in a folder")


def test_an_interrupted_probe_promises_nothing_that_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("augengine.cli.probing.probe", interrupted)
    done = call("probe", "--stain", "cd68", "--out", tmp_path)
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (130, "interrupted")
