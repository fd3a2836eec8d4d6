"""The judge of whether A' still shows a glomerulus: what it learns from, and what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from torch import nn

from augengine.errors import SourceError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image
from augengine_train.cyclegan.pairs import TorchPair
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.package_pairs.__main__ import main
from augengine_train.experiments.package_pairs.annotated_pas import GLOMERULUS, TEST, Outlined, write_annotated
from augengine_train.experiments.package_pairs.centred_tiles import WIDER, squares
from augengine_train.experiments.package_pairs.glomeruli import OUTLINES, look_for_glomeruli
from augengine_train.experiments.package_pairs.plans import MorePas
from augengine_train.experiments.package_pairs.segmenter import SHARDS, fit_segmenter
from augengine_train.experiments.package_pairs.there_and_back import SIGMAS, pas_there_and_back
from augengine_train.phantom import FieldSpec, draw_field
from augengine_train.unet import find_tiles
from augengine_train.unet.foreground import ForegroundMasks
from tests.support.pictures import tissue

pytestmark = pytest.mark.e2e

SIDE = 512


def pas(side: int, seed: int) -> RgbImage:
    return draw_field(FieldSpec(stain="pas", side=side, anatomy_seed=seed, marker_seed=seed)).image


def marked(seed: int) -> tuple[RgbImage, RgbImage]:
    """Tissue with a dark disc, and its mask in red, as the real masks have it."""
    image, mask = pas(SIDE, seed).copy(), np.zeros((SIDE, SIDE, 3), np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = (rows - 200 - 10 * seed) ** 2 + (columns - 256) ** 2 < 120**2
    image[disc] = image[disc] // 3
    mask[disc, 0] = 255
    return image, mask


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the Hannover set is, with the names of the three CD68 pictures that are outlined."""
    folder = tmp_path_factory.mktemp("hannover")
    for name in ("fields_40x", "cd68_glomeruli_20x"):
        (folder / name).mkdir()
    (folder / "fields_40x" / "pas.png").write_bytes(encode_image(pas(400, 9), "png"))
    for seed, name in enumerate(OUTLINES):
        (folder / "cd68_glomeruli_20x" / f"{name}.png").write_bytes(encode_image(tissue(SIDE, SIDE, seed=seed), "png"))
    return folder


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> MorePas:
    """Seven annotated pictures, one of them left out."""
    folder = tmp_path_factory.mktemp("pas")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for seed in range(7):
        for name, picture in zip(("images", "masks"), marked(seed), strict=True):
            (folder / name / f"p{seed}.png").write_bytes(encode_image(picture, "png"))
    return MorePas(folder=folder, left_out=("p6",))


def test_annotated_pictures_become_four_shards_without_a_common_patient(
    more: MorePas, data: Path, tmp_path: Path
) -> None:
    splits = [find_tiles([str(file)]) for file in write_annotated(more, data, tmp_path)]
    patients = [{tile.patient for tile in tiles} for tiles in splits]
    assert patients == [{"p0", "p1", "p2", "p3", "p5"}, {"p4"}, {"p6"}, {"p6"}]
    masks = ForegroundMasks((GLOMERULUS,), PlaceReader())
    (plain,) = splits[2]
    np.testing.assert_array_equal(masks.read(plain), marked(6)[1][..., 0] > 0)
    shares = sorted(float(masks.read(tile).mean()) for tile in splits[3])
    assert shares == pytest.approx([np.pi / 4 / factor**2 for factor in sorted(WIDER, reverse=True)], rel=0.02)


def test_squares_lie_about_whole_glomeruli_within_the_picture() -> None:
    mask = np.zeros((600, 700), np.uint8)
    mask[300:500, 450:600] = 1
    mask[0:100, 100:200] = 1
    mask[550:560, 50:60] = 1
    assert list(squares(mask)) == [(285, 410, 230), (240, 365, 320)], "cut ones and slivers have none"
    mask[:], mask[200:400, 20:120] = 0, 1
    assert [(y, x) for y, x, _ in squares(mask)] == [(185, 0), (140, 0)], "moved in from the edge"


def test_outlined_pictures_are_trained_on_at_the_same_scale(more: MorePas, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "outlined"
    folder.mkdir()
    (folder / "q.png").write_bytes(encode_image(pas(400, 3), "png"))
    square = {"label": "Glomeruli", "shape_type": "polygon", "points": [[100, 50], [200, 50], [200, 150], [100, 150]]}
    (folder / "q.json").write_text(json.dumps({"shapes": [square], "imageWidth": 400, "imageHeight": 400}))
    train, validation, *_ = write_annotated(more, data, tmp_path / "out", Outlined(folder=folder, mpp=1.0))
    tile = next(tile for tile in find_tiles([str(train)]) if tile.patient == "q")
    truth = ForegroundMasks((GLOMERULUS,), PlaceReader()).read(tile)
    assert (tile.height, int(truth.sum())) == (SIDE, 200 * 200)
    assert truth[100:300, 200:400].all()
    assert "q" not in {tile.patient for tile in find_tiles([str(validation)])}
    with pytest.raises(SourceError, match="there is no folder"):
        write_annotated(more, data, tmp_path / "out", Outlined(folder=tmp_path / "none", mpp=1.0))


def test_masks_and_pictures_left_out_are_needed(more: MorePas, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there are none for test\.tar"):
        write_annotated(MorePas(folder=more.folder), data, tmp_path)
    with pytest.raises(SourceError, match="has no mask"):
        write_annotated(MorePas(folder=more.pictures, left_out=("p6",)), data, tmp_path)


def test_a_segmenter_looks_at_cd68_as_it_is_and_translated(more: MorePas, data: Path, tmp_path: Path) -> None:
    segmenter = fit_segmenter(more, data, tmp_path, steps=2)
    found = look_for_glomeruli(nn.Identity(), data, segmenter)
    assert found.real == found.translated
    seen = found.real.pixels
    outlined = seen.true_positives + seen.false_negatives
    assert 0.3 < outlined / (3 * 128 * 128) < 0.7, "a glomerulus fills about half of its picture"
    assert "on A' of the CD68 glomeruli" in found.line()
    assert fit_segmenter(more, data, tmp_path, steps=2) == segmenter


def test_pas_that_comes_back_as_it_was_loses_nothing_until_noise_is_added(
    more: MorePas, data: Path, tmp_path: Path
) -> None:
    segmenter = fit_segmenter(more, data, tmp_path, steps=2)
    copies = TorchPair(to_reference=nn.Identity(), from_reference=nn.Identity())
    drifts = pas_there_and_back(copies, tmp_path / SHARDS / TEST, segmenter)
    assert list(drifts) == list(SIGMAS)
    assert (drifts[0.0].lost, drifts[0.0].tiles, drifts[0.0].agreement.f1) == (0, 1, 1)
    assert drifts[0.2].agreement.f1 < 1


def test_pictures_that_nobody_outlined_are_refused(more: MorePas, data: Path, tmp_path: Path) -> None:
    segmenter = fit_segmenter(more, data, tmp_path, steps=1)
    (tmp_path / "cd68_glomeruli_20x").mkdir()
    (tmp_path / "cd68_glomeruli_20x" / "other.png").write_bytes(encode_image(tissue(SIDE, SIDE), "png"))
    with pytest.raises(SourceError, match=r"nobody has outlined the glomerulus of other\.png"):
        look_for_glomeruli(nn.Identity(), tmp_path, segmenter)


def train_cd68(more: MorePas, data: Path, out: Path, *options: str) -> Result:
    size = ("--steps=2", "--width=4", "--blocks=1", "--crop=32", "--stain=cd68", "--segmenter-steps=2")
    given = (f"--data={data}", f"--pas={more.folder}", f"--out={out}", f"--weights={out / 'none'}")
    return CliRunner().invoke(main, [*given, *size, *options])


def test_the_command_says_what_the_segmenter_finds(more: MorePas, data: Path, tmp_path: Path) -> None:
    done = train_cd68(more, data, tmp_path, "--leave-out=p6")
    assert done.exit_code == 0, done.output
    assert "a segmenter of PAS glomeruli: F1 by pixel" in done.output
    assert "new: the segmenter's F1 is" in done.output
    assert all(f"new: PAS there and back, sigma {sigma:g}: F1 by pixel" in done.output for sigma in SIGMAS)


def test_what_the_segmenter_lacks_is_said_before_a_pair_is_trained(more: MorePas, data: Path, tmp_path: Path) -> None:
    for option, said in (
        ("--leave-out=p[2-6]", "there are none for validation.tar"),
        ("--seed=1", "none for test.tar"),
    ):
        done = train_cd68(more, data, tmp_path, option)
        assert (done.exit_code, said in done.output) == (2, True), done.output
    done = train_cd68(more, data, tmp_path, f"--outlined={tmp_path}", "--segmenter-steps=0")
    assert (done.exit_code, "--outlined is for the segmenter, and none is trained" in done.output) == (2, True)
    assert not (tmp_path / "cd68").exists()
