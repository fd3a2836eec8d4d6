"""A dataset's card: what it says is true, its command makes the dataset again, and readers take its metadata."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from augengine.cli.main import main
from augengine.shards.verify import verify
from tests.support.datasets import digests, make, members
from tests.support.pictures import class_ids, decode, encode, tissue, write_folder
from tests.support.slide_files import specimen, write_slide
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tiles with masks, of two patients."""
    folder = write_folder(tmp_path_factory.mktemp("card") / "tiles", [f"tile_{i}" for i in range(4)], masks=True)
    for number in range(4):
        (folder / f"tile_{number}.json").write_text(f'{{"patient": "{"anna" if number else "berta"}"}}')
    return folder


def card(out: Path) -> str:
    return (out / "README.md").read_text()


def metadata(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card(out).split("---\n")[1])
    return found


def command(out: Path) -> list[str]:
    """The command that the card names, without the program."""
    (line,) = [line for line in card(out).splitlines() if line.startswith("augengine ")]
    return shlex.split(line)[1:]


def test_the_command_of_a_card_makes_the_dataset_again(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    options = {"variants": 2, "include_source": True, "gate": 0.1, "skip_classes": ("a b", "c"), "image_format": "webp"}
    make(tiles, tmp_path / "one", small_weights, samples_per_shard=3, **options)
    typed = command(tmp_path / "one")
    assert typed[-2:] == ["--out", "this-folder/"]
    done = CliRunner().invoke(main, [*typed[:-1], str(tmp_path / "two")])
    assert done.exit_code == 0, done.output
    assert digests(tmp_path / "two") == digests(tmp_path / "one")
    assert "README.md" in digests(tmp_path / "one")


def test_the_command_of_a_tiled_card_cuts_the_tiles_again(tmp_path: Path) -> None:
    slide = write_slide(tmp_path / "my slide.tif", specimen())
    cut(slide, tmp_path / "one", random=3, background=1, seed=4, min_tissue=0.4)
    typed = command(tmp_path / "one")
    done = CliRunner().invoke(main, [*typed[:-1], str(tmp_path / "two")])
    assert done.exit_code == 0, done.output
    assert digests(tmp_path / "two") == digests(tmp_path / "one")


def test_a_card_states_counts_pixels_classes_and_patients(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "out", small_weights, variants=2)
    text, found = card(tmp_path / "out"), members(tmp_path / "out")
    pixels = np.stack([decode(data) for name, data in found.items() if name.count(".") == 1 and name.endswith("png")])
    mean, deviation = (values(axis=(0, 1, 2)) for values in ((pixels / 255).mean, (pixels / 255).std))
    assert f"| mean | {' | '.join(f'{value:.4f}' for value in mean)} |" in text
    assert f"| deviation | {' | '.join(f'{value:.4f}' for value in deviation)} |" in text
    assert "8 samples in 1 shard" in text
    assert "| in | 4 |\n| written | 4 |\n\n" in text
    assert "| anna | 3 |\n| berta | 1 |\n\n2 patients in all." in text
    masks = np.stack([decode(data) for name, data in found.items() if name.endswith("seg.png")])
    for number, count in zip(*np.unique(masks, return_counts=True), strict=True):
        assert f"| {number} | {'' if number else 'background'} | {count} | {count / masks.size:.4f} |" in text
    assert metadata(tmp_path / "out")["size_categories"] == ["n<1K"]
    assert verify(tmp_path / "out").notes == ()


def test_hugging_face_takes_the_types_of_the_card(
    tiles: Path, small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    make(tiles, tmp_path / "out", small_weights, variants=2, gate=0.0)
    (loaded,) = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")).values()
    assert list(loaded.features) == [each["name"] for each in metadata(tmp_path / "out")["dataset_info"]["features"]]
    stated = {name: kind.dtype for name, kind in loaded.features["json"].items()}
    assert (stated["sigma"], stated["variant"], stated["counterstain_ssim"]) == ("float64", "int64", "float64")
    row = next(row for row in loaded if row["json"]["source_key"] == "tile_1")
    np.testing.assert_array_equal(np.asarray(row["seg.png"]), class_ids(seed=1))


def test_hugging_face_takes_the_splits_of_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    slides = [write_slide(tmp_path / f"{name}.tif", specimen(seed=seed)) for seed, name in enumerate("ab")]
    (tmp_path / "split.csv").write_text("file,patient,split\na.tif,anna,train\nb.tif,berta,test\n")
    cut(slides, tmp_path / "out", random=2, patients=tmp_path / "split.csv")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: {row["json"]["patient"] for row in rows} for split, rows in loaded.items()} == {
        "train": {"anna"},
        "test": {"berta"},
    }


def test_the_cards_lines_read_the_dataset(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "out", small_weights, include_source=True)
    lines = card(tmp_path / "out").split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(lines.replace("this-folder/", str(tmp_path / "out")), found)  # noqa: S102 - our own lines
    assert (found["image"].shape, found["mask"].shape) == ((3, 48, 64), (48, 64))


def test_members_that_some_samples_lack_leave_the_types_open(small_weights: Path, tmp_path: Path) -> None:
    tiles = write_folder(tmp_path / "tiles", ["a"], masks=True)
    (tiles / "b.png").write_bytes(encode(tissue()))
    make(tiles, tmp_path / "out", small_weights)
    assert "dataset_info" not in metadata(tmp_path / "out")
    assert "1 of 2 samples have a mask" in card(tmp_path / "out")


def test_a_card_of_somebody_else_is_left_alone(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    first = card(out)
    (out / "README.md").write_text("my own words")
    make(tiles, out, small_weights, samples_per_shard=2)
    assert card(out) == "my own words"
    (out / "README.md").unlink()
    make(tiles, out, small_weights, samples_per_shard=2)
    assert card(out) == first


def test_a_card_without_any_sample_is_written_all_the_same(small_weights: Path, tiles: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "out", small_weights, gate=1.0)
    assert "| emptied | 4 |" in card(tmp_path / "out")
    assert "There are no masks." in card(tmp_path / "out")


def test_what_a_patient_is_called_is_cut_and_obeyed_by_nobody(small_weights: Path, tmp_path: Path) -> None:
    names: list[Any] = ["![](http://evil/x.png)<b>|`", "x" * 10**6, 7, True, ["a"], {"b": 1}, None]
    write_folder(tmp_path / "tiles", [f"tile_{i}" for i in range(len(names))])
    for i, name in enumerate(names):
        (tmp_path / "tiles" / f"tile_{i}.json").write_text(json.dumps({"patient": name}))
    make(tmp_path / "tiles", tmp_path / "out", small_weights)
    text = card(tmp_path / "out")
    assert "!\\[\\](http://evil/x.png)&lt;b&gt;\\|\\` | 1 |" in text
    assert f"| {'x' * 100} | 1 |" in text
    assert "| 7 | 1 |" in text
    assert "3 patients in all" in text
    assert len(text) < 10_000
