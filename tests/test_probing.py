"""`augengine probe` and `augengine preview`: known pairs get the verdict they deserve, and bad tissue its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from augengine.build import Tile
from augengine.cards import find_weights
from augengine.cli import main
from augengine.engines.fidelity import Budget
from augengine.errors import SourceError, SpecError
from augengine.measures import Wipes, structure
from augengine.probing import Bounds, PreviewRequest, Probe, ProbeRequest, SpecimenRequest
from augengine.probing.report import Cost, integral
from augengine.probing.run import measure
from augengine.probing.specimen import Specimen, open_specimen, reference_tiles, to_inputs, why_left_out
from augengine.probing.verdict import DEFAULT_RULE
from augengine.sample import Failure
from augengine.stains import BUILT_IN
from benchmarks.halved_tiles import halve
from tests.known_pairs import CD68, KnownPair, copying, forgetting, hiding, squeezing
from tests.pictures import decode, encode, stained, tissue
from tests.small_generator import write_small_pair

SIDE = 64
FEW = ("--sigmas", "0.05,0.3")


def specimen(pair: KnownPair, weights: Path, tiles: int = 3) -> Specimen:
    return Specimen(
        stain=CD68,
        weights=find_weights("pas", "cd68", [weights]),
        backend="none",
        tiles=tuple(Tile(key=f"t{i}", image_hwc=stained(seed=i)) for i in range(tiles)),
        left_out=(Failure("t9", "the tile is of one colour"),),
        surrogate=False,
        pairs=(),
        to_reference=pair.to_reference,
        from_reference=pair.from_reference,
    )


def asked(**changes: Any) -> ProbeRequest:
    return ProbeRequest(**{"specimen": SpecimenRequest(stain="cd68"), "out": Path("probe"), **changes})


def measured(pair: KnownPair, weights: Path, **changes: Any) -> Probe:
    return measure(specimen(pair, weights), asked(**changes), lambda _: None)


# ---- known pairs


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        (hiding(), "hides and responds"),
        (copying(), "hardly responds"),
        (forgetting(), "unstable"),
        (squeezing(), "unstable"),
    ],
    ids=["hiding", "copying", "forgetting", "squeezing"],
)
def test_a_known_pair_gets_its_verdict(pair: KnownPair, word: str, small_weights: Path) -> None:
    assert measured(pair, small_weights).verdict.word == word


def test_eps_follows_the_bounds(small_weights: Path) -> None:
    found = measured(hiding(), small_weights)
    kept = {each.sigma: each for each in found.kept()}
    assert found.choice.eps == 0.05
    assert kept[0.05].structure >= 0.95 > kept[0.1].structure
    loose = measured(hiding(), small_weights, bounds=Bounds(structure=0.1, area=9))
    assert loose.choice.eps is not None
    assert loose.choice.eps > 0.05


def test_the_verdicts_sigmas_are_measured_besides_those_asked_for(small_weights: Path) -> None:
    found = measured(copying(), small_weights, sigmas=(0.3,))
    assert [point.noise.sigma for point in found.points] == [0.05, 0.2, 0.3]


def test_the_response_of_a_copy_integrates_to_half_the_square(small_weights: Path) -> None:
    assert measured(copying(), small_weights).response_integral == pytest.approx(0.02, rel=0.02)


def test_an_integral_ends_at_its_end_and_is_straight_in_between() -> None:
    assert integral([(0.1, 1.0), (0.3, 3.0)]) == pytest.approx(0.2**2 / 2 * 10)
    assert integral([(0.2, 2.0)]) == integral([(0.1, 1.0), (0.2, 2.0), (0.9, 0.0)])


def test_a_probe_says_how_well_the_markers_are_hidden_and_what_wipes_them(small_weights: Path) -> None:
    found = measured(hiding(), small_weights, wipes=Wipes(jpeg_quality=30, blur_px=2))
    assert found.markers.contrast is not None
    assert found.markers.contrast_hidden is not None
    assert found.markers.contrast_hidden < 15 < 100 < found.markers.contrast
    said = "\n".join(found.lines())
    assert "JPEG, quality 30" in said
    assert "blur, 2 px" in said
    assert "compared with nothing, since no pas tiles were given" in said


def test_a_probe_is_plain_json(small_weights: Path) -> None:
    found = measured(forgetting(), small_weights)
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["verdict"]["word"] == "unstable"
    assert again["points"][0]["noise"]["agreement"] is None
    assert again["choice"]["eps"] is None
    assert again["tissue"]["left_out"] == [{"key": "t9", "reason": "the tile is of one colour"}]
    assert "unconfirmed" in again["about_response"]


def test_what_a_precision_costs_is_told_as_noise() -> None:
    budget = Budget(
        precision="bfloat16", tiles=1, height=64, width=64, surrogate=False, error_a=0.002, error_chain=0.002,
        error_chain_range=(0.002, 0.002), sigmas=(0.05,), response=(0.04,), equivalent_sigma=0.0025,
        equivalent_sigma_range=(0.0025, 0.0025),
    )  # fmt: skip
    assert "equals noise of sigma 0.0025: within" in Cost(precision="bfloat16", budget=budget).line(0.05)
    assert "outside" in Cost(precision="bfloat16", budget=budget).line(0.01)
    assert Cost(precision="float32", budget=None).line(0.05) == "float32: the reference"
    assert Cost(precision="float16", budget=None).line(0.05) == "float16: not measured"


# ---- tissue


def test_a_tile_without_tissue_or_of_one_colour_is_left_out_and_one_without_markers_is_not() -> None:
    for pixels, reason in (
        (np.full((64, 64, 3), (140, 60, 120), np.uint8), "of one colour"),
        (np.random.default_rng(0).integers(240, 256, (64, 64, 3)).astype(np.uint8), "0.0% of the tile is tissue"),
        (tissue(64, 64), ""),
        (stained(64), ""),
    ):
        found = why_left_out(Tile(key="t", image_hwc=pixels))
        assert reason in found
        assert bool(reason) == bool(found)


def test_tissue_without_any_marker_is_refused(small_weights: Path) -> None:
    plain = Tile(key="t", image_hwc=tissue(96, 96))
    bare = specimen(copying(), small_weights)
    bare = Specimen(**{name: getattr(bare, name) for name in bare.__slots__} | {"tiles": (plain,)})
    with pytest.raises(SourceError, match=r"none of 1 tiles holds a cd68 marker \(a concentration above 0.020\)"):
        measure(bare, asked(), lambda _: None)


@pytest.mark.parametrize(
    "changes",
    [{"sigmas": (0.0, 0.1)}, {"sigmas": (3.0,)}, {"sigmas": ()}, {"seed": -1}],
)
def test_a_request_checks_itself(changes: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        asked(**changes)


@pytest.mark.parametrize("changes", [{"tiles": 0}, {"size": 8}, {"mpp": 0.0}])
def test_a_request_for_a_specimen_checks_itself(changes: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        SpecimenRequest(**{"stain": "cd68", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"sigmas": (0.1, 0.0)}, {"sigmas": ()}, {"draws": 1}, {"sigma": 3.0}, {"out": Path("a.jpg")}]
)
def test_a_request_for_a_preview_checks_itself(changes: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        PreviewRequest(specimen=SpecimenRequest(stain="cd68"), **changes)  # type: ignore[arg-type]


# ---- the commands


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tiles with markers, a blank one and a broken one."""
    folder = tmp_path_factory.mktemp("tiles")
    for i in range(3):
        (folder / f"t{i}.png").write_bytes(encode(stained(SIDE, i)))
    (folder / "blank.png").write_bytes(encode(np.full((SIDE, SIDE, 3), 250, np.uint8)))
    (folder / "broken.png").write_bytes((folder / "t0.png").read_bytes()[:-200])
    return folder


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of real engines that copy."""
    folder = tmp_path_factory.mktemp("copies")
    write_small_pair(folder, identity=True)
    return folder


def options(tiles: Path, weights: Path, *more: object) -> list[object]:
    return ["--stain", "cd68", "--in", tiles, "--weights", weights, "--mpp", 0.5, *more]


@pytest.fixture(scope="module")
def probed(tiles: Path, copies: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A probe's folder, and what it printed."""
    out = tmp_path_factory.mktemp("probed") / "new" / "probe"
    result = call("probe", *options(tiles, copies, *FEW, "--reference-in", tiles, "--out", out))
    assert result.exit_code == 0, result.output
    return out, result.stdout


@pytest.mark.e2e
def test_the_command_probes_and_plots(probed: tuple[Path, str]) -> None:
    out, said = probed
    assert "verdict: hardly responds (augmentation would do nothing)" in said
    assert "left out: blank: the tile is of one colour" in said
    assert "left out: broken: " in said
    assert "real pas tiles" in said
    found = json.loads((out / "probe.json").read_text())
    assert found["tissue"]["keys"] == ["t0", "t1", "t2"]
    assert found["reference_tiles"] == 3
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
    more = ("--tiles", 2, "--sigmas", "0,0.1", "--draws", 3, "--sigma", 0.1, "--out", out)
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


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-2].startswith("error: ")
    assert result.stderr.splitlines()[-1].startswith("hint: ")
    assert all(word in result.stderr for word in words), result.stderr
    assert "Traceback" not in result.output


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
    refused(call(command, "--stain", "cd34", *out), "no sample picture for the stain cd34")
    assert call(command, *options(tiles, copies, *out, "--sigmas", "some")).exit_code == 2
    taken = tiles / "t0.png" / "below.png"
    refused(call(command, *options(tiles, copies, "--tiles", 1, "--out", taken)), "cannot write")


@pytest.mark.e2e
def test_um_px_are_warned_of_where_unknown_and_may_be_anything_where_allowed(tiles: Path, copies: Path) -> None:
    warned: list[str] = []
    for changes in ({"mpp": None}, {"mpp": 0.25, "allow_mpp": True}):
        request = SpecimenRequest(**{"stain": "cd68", "source": str(tiles), "weights": copies, **changes})  # type: ignore[arg-type]
        with open_specimen(request, precisions=(), note=print, warn=warned.append):
            pass
    assert len(warned) == 1
    assert "the um/px of the source are unknown" in warned[0]


@pytest.mark.e2e
def test_reference_tiles_are_never_mirrored_to_a_larger_size(copies: Path, tmp_path: Path) -> None:
    for name, sides in (("own", (96,)), ("pas", (80, 64)), ("small", (80, 50))):
        (tmp_path / name).mkdir()
        for i, side in enumerate(sides):
            (tmp_path / name / f"t{i}.png").write_bytes(encode(stained(side, i)))
    request = SpecimenRequest(stain="cd68", source=str(tmp_path / "own"), weights=copies, mpp=0.5)
    with open_specimen(request, precisions=(), note=print, warn=print) as seen:
        found = reference_tiles(str(tmp_path / "pas"), seen, request)
    assert [tile.shape for tile in found] == [(3, 64, 64)] * 2
    own = options(tmp_path / "own", copies, *FEW, "--out", tmp_path / "probe")
    result = call("probe", *own, "--reference-in", tmp_path / "pas")
    assert result.exit_code == 0, result.output
    refused(call("probe", *own, "--reference-in", tmp_path / "small"), "50 x 50 px", "leave out those below 64 px")


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
def test_larger_tiles_are_cropped_to_one_size(copies: Path, tmp_path: Path) -> None:
    for i, side in enumerate((96, 150)):
        (tmp_path / f"t{i}.png").write_bytes(encode(stained(side, i)))
    request = SpecimenRequest(stain="cd68", source=str(tmp_path), weights=copies, mpp=0.5, size=50)
    with open_specimen(request, precisions=(), note=print, warn=print) as seen:
        assert [image.shape for image in seen.images] == [(52, 52, 3)] * 2
        assert (seen.images[0] == stained(96, 0)[22:74, 22:74]).all()


def test_inputs_are_the_tiles_in_the_generators_range() -> None:
    (x,) = to_inputs([Tile(key="t", image_hwc=stained(32))])
    assert x.shape == (3, 32, 32)
    assert -1 <= x.min() < x.max() <= 1


@pytest.mark.e2e
def test_tiles_of_one_real_field_have_less_structure_in_common_than_a_reconstruction_needs(
    shared_data: Path, tmp_path: Path
) -> None:
    files = halve(str(shared_data / "hannover/fields_40x/cd34.png"), tmp_path)
    tiles = [decode(file.read_bytes()) for file in files]
    assert structure(tiles, tiles[1:] + tiles[:1], BUILT_IN["cd34"]) < 0.1 < DEFAULT_RULE.least_structure


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
