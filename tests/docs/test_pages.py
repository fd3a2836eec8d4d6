"""What README and docs tell people to type is typed here, in an empty folder, in order."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from augengine.cli.main import COMMANDS
from augengine.stains import Stain
from tests.support.pictures import class_ids, encode, stained
from tests.support.places import ROOT
from tests.support.typed_lines import type_lines

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# These need fields, slides, tissue, networks, a store or a cluster: tests/docs/. What storage.md and clusters.md show
# is run by tests/storage/ and tests/fleet/ with other words than the pages'.
TYPED_ELSEWHERE = {
    *(
        "clusters.md",
        "comparing.md",
        "hubmap.md",
        "importing.md",
        "int8.md",
        "phantom.md",
        "reliance.md",
        "results.md",
        "vegf.md",
    ),
    *("segmenter.md", "storage.md", "tiling.md", "training.md", "tutorial.md"),
}
SIDE = 64
TILES = 6


def blocks(page: Path, language: str = "") -> list[str]:
    """The code blocks of a page in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for its_language, text in found if its_language == language]


def typed() -> list[str]:
    """The command lines of the pages that need no pictures of their own, without their remarks."""
    pages = [page for page in PAGES if page.name not in TYPED_ELSEWHERE]
    lines = [line for page in pages for block in blocks(page) for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.startswith("augengine ")]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home and a folder with `tiles/`, where every command was typed once."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "tiles").mkdir()
    for i in range(TILES):
        (folder / "tiles" / f"tile_{i}.png").write_bytes(encode(stained(SIDE, seed=i)))
        (folder / "tiles" / f"tile_{i}_mask.png").write_bytes(encode(class_ids(SIDE, SIDE, seed=i)))
    # The package's pair does not know these drawn tiles, and `augment` says so.
    type_lines(typed(), folder, toys={"augengine augment --stain cd68 --eps": "--force"})
    return folder


@pytest.mark.e2e
def test_every_command_line_of_the_docs_runs_as_typed(newcomer: Path) -> None:
    assert len(typed()) >= 5
    assert {path.name for path in newcomer.glob("*/*.tar")} == {"cd68-000000.tar"}


@pytest.mark.e2e
def test_the_demo_makes_shards_and_a_picture(tmp_path: Path) -> None:
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    lines = [line.strip().replace("$(BIN)/", "") for line in recipe[1].splitlines()]
    for line in lines:
        assert line.startswith("augengine "), line
        command = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    with Image.open(tmp_path / "demo.png") as picture:
        assert picture.size > (1000, 500)
    assert "demo.png" in done.stdout
    with Image.open(tmp_path / "demo.gif") as flicker:
        assert getattr(flicker, "n_frames", 1) == 5


def test_every_command_that_the_docs_name_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"`augengine ([a-z][\w-]*)", page.read_text())}
    assert named <= set(COMMANDS)
    assert named


@pytest.mark.e2e
def test_the_loader_of_the_readme_shows_every_source_once_an_epoch(newcomer: Path) -> None:
    _, code = blocks(ROOT / "README.md", "python")
    *_, last = code.rstrip().splitlines()
    indent = last[: len(last) - len(last.lstrip())]
    program = ["import json", code.rstrip(), f"{indent}print(json.dumps([epoch, image.shape, mask.tolist()]))"]
    (newcomer / "train.py").write_text("\n".join(program))
    command = [sys.executable, "train.py"]
    done = subprocess.run(command, cwd=newcomer, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert {tuple(shape) for _, shape, _ in said} == {(3, SIDE, SIDE)}
    truth = sorted(class_ids(SIDE, SIDE, seed=i).tolist() for i in range(TILES))
    assert [sorted(mask for at, _, mask in said if at == epoch) for epoch in range(3)] == [truth] * 3


@pytest.mark.e2e
def test_the_augmenter_of_the_readme_makes_four_variants(newcomer: Path) -> None:
    code, _ = blocks(ROOT / "README.md", "python")
    (newcomer / "one.py").write_text(f"{code}print(variants.shape, variants.dtype)\n")
    done = subprocess.run([sys.executable, "one.py"], cwd=newcomer, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "(4, 256, 256, 3) uint8"


def test_the_readme_is_short_and_few_lines_of_the_pages_are_long() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 800
    assert sum(len(line) > 160 for page in PAGES for line in page.read_text().splitlines()) <= 20


def test_the_stain_of_the_guide_is_a_stain(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/guide/augmenting.md", "toml")
    file = tmp_path / "cd3.toml"
    file.write_text(text)
    stain = Stain.from_toml(file)
    assert (stain.name, stain.reference, stain.recommended_eps) == ("cd3", "pas", 0.05)


def test_every_make_target_that_the_docs_name_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z0-9-]+)", page.read_text(), re.MULTILINE)}
    assert {"demo", "install", "test", "check"} <= named <= targets


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page.name


def test_every_file_and_name_of_contributing_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = set(re.findall(r"`((?:augengine|tests|docs|train|benchmarks)/[\w./]*)`", text)) - {
        "augengine/engines/_name.py"
    }
    assert len(paths) > 15
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    named = {
        "augengine/annotations/__init__.py": ("_read_xml", "_read_json", "_read"),
        "augengine/dataset/request.py": ("AugmentRequest",),
        "augengine/spec.py": ("AugmentOptions", "BackendName", "ImageFormat", "NoiseSpec"),
        "augengine/draws/noise.py": ("GaussianNoise",),
        "augengine/pictures/encode.py": ("_LOSSY",),
        "tests/laws/test_architecture.py": ("OWNERS",),
        "augengine/cli/train.py": ("COMMANDS",),
        "augengine/stains.py": ("BUILT_IN",),
        "augengine/engines/backends.py": ("backends()",),
        "augengine/engines/base.py": ("Backend", "Engine"),
        "augengine/sources/__init__.py": ("_open", "_from_json"),
    }
    for file, names in named.items():
        source = (ROOT / file).read_text()
        for name in names:
            assert f"`{name}`" in text
            assert re.search(rf"^(def|class) {name.removesuffix('()')}\b|^{name}\b", source, re.MULTILINE), (file, name)
