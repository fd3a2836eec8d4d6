"""Every example of the page on readers runs as it stands, and shows what the rule says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from augengine import pick
from tests.support.datasets import make
from tests.support.pictures import class_ids, encode, write_folder
from tests.support.places import ROOT

pytestmark = pytest.mark.e2e

SOURCES, VARIANTS, EPOCHS, SIDE = 7, 2, 2, 64
PAGE = (ROOT / "docs" / "guide" / "readers.md").read_text()

RECORDER = """
import tests.support.reader_packages
import augengine
SHOWN, _open = [], augengine.open_dataset

def _recorded(*where, transform=None, **options):
    def note(sample):
        SHOWN.append((sample["source_key"], sample["variant"]))
        return sample if transform is None else transform(sample)
    return _open(*where, transform=note, **options)

augengine.open_dataset = _recorded
"""
"""Typed before an example: notes what `open_dataset` shows in this process."""


def example(heading: str) -> str:
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_weights: Path) -> Path:
    """A folder with shards/: seven sources with masks and two variants each, in two shards."""
    folder = tmp_path_factory.mktemp("readers")
    names = [f"tile_{i}" for i in range(SOURCES)]
    tiles = write_folder(folder / "tiles", names, height=SIDE, width=SIDE)
    for name in names:
        (tiles / f"{name}_mask.png").write_bytes(encode(class_ids(SIDE, SIDE, classes=2)))
    make(tiles, folder / "shards", small_weights, variants=VARIANTS, include_source=True, samples_per_shard=4)
    return folder


def expected() -> Counter[tuple[str, int]]:
    """What the rule shows in both epochs."""
    keys = [f"tile_{i}" for i in range(SOURCES)]
    return Counter((key, pick(VARIANTS, 0.5, 0, key, epoch)) for epoch in range(EPOCHS) for key in keys)


def run(code: str, folder: Path, before: str = "") -> list[tuple[str, int]]:
    """Run an example in a process of its own; the pairs of source and variant that it leaves under SHOWN."""
    (folder / "example.py").write_text(f"{before}\n{code}\nimport json\nprint('SHOWN', json.dumps(SHOWN))\n")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "train")])
    settings = {"PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "example.py"]
    environment = os.environ | settings
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("SHOWN ")]
    return [(key, variant) for key, variant in json.loads(line.removeprefix("SHOWN "))]


def test_torch_takes_every_source_once_an_epoch(folder: Path) -> None:
    ends = "\nSHOWN = [(str(epoch), state['sources']), *state['taken']]\n"
    assert run(example("torch") + ends, folder) == [("1", SOURCES), (0, SOURCES)]


@pytest.mark.parametrize("reader", ["Lightning", "MONAI", "segmentation-models-pytorch"])
def test_trainers_over_open_dataset_show_what_the_rule_says(reader: str, folder: Path) -> None:
    assert Counter(run(example(reader), folder, RECORDER)) == expected()


def test_dali_shows_what_the_rule_says(folder: Path) -> None:
    code = example("DALI")
    named = code.replace('ext=["png", "seg.png"]', 'ext=["png", "seg.png", "json"]')
    named = named.replace("image, mask = fn.readers", "image, mask, SAID = fn.readers").replace(
        "output_type=types.GRAY)", "output_type=types.GRAY), fn.pad(SAID, fill_value=32)"
    )
    named = named.replace('["image", "mask"], reader_name', '["image", "mask", "said"], reader_name')
    named += "        SHOWN += [json.loads(bytes(each.tolist())) for each in batch['said']]\n"
    named += "SHOWN = [(each['source_key'], each['variant']) for each in SHOWN]\n"
    assert Counter(run(named, folder, "import json\nSHOWN = []")) == expected()
    assert run(code + "SHOWN = [(str(mask.dtype), mask.ndim)]\n", folder) == [("torch.uint8", 4)]


def test_hugging_face_shows_what_the_rule_says(folder: Path) -> None:
    noted = "        SHOWN.append((row['json']['source_key'], row['json']['variant']))\n"
    assert Counter(run(example("Hugging Face datasets") + noted, folder, "SHOWN = []")) == expected()


@pytest.mark.ray
def test_ray_data_shows_what_the_rule_says(folder: Path) -> None:
    noted = "        SHOWN += [(each['source_key'], each['variant']) for each in batch['json']]\n"
    before = "import ray\nray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)\nSHOWN = []"
    assert Counter(run(example("Ray Data") + noted, folder, before)) == expected()
