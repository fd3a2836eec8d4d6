"""What works where only datasets are read: run as ``python light_reader.py SHARDS FOLDER``, with torch or without.

It imports augengine and what a light install has, and nothing of the tests. It ends with a line that starts with OK.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line in this interpreter, with what this process hides hidden there, too."""
    hidden = "tests.support.light_machine" in sys.modules
    before = "import tests.support.light_machine; " if hidden else ""
    code = f"{before}import sys; from augengine.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


def read_without_torch(shards: str, folder: str) -> int:
    """List, index and decode a dataset as the loader does; how many samples."""
    from augengine.loader import write_epoch_index
    from augengine.loader.catalogue import read_catalogue
    from augengine.loader.decode import SampleReader
    from augengine.loader.where import find_shards

    paths, indexes = write_epoch_index(shards, folder, epoch=0)
    assert len(paths) == len(indexes) > 0
    sources = read_catalogue(find_shards(shards).urls).sources
    reader = SampleReader()
    decoded = [reader.read(stored) for source in sources for stored in source.samples.values()]
    assert all(each.mask is not None and each.mask.shape == each.image.shape[:2] for each in decoded)
    return len(decoded)


def read_with_torch(shards: str) -> int:
    """Two epochs through a DataLoader with workers; how many samples of the second."""
    from torch.utils.data import DataLoader

    from augengine import open_dataset

    dataset = open_dataset(shards, p=0.5, seed=0)
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    found = []
    for epoch in range(2):
        dataset.set_epoch(epoch)
        found = [sample["source_key"] for sample in loader]
        assert len(set(found)) == len(found) == len(dataset)
    return len(found)


def check_commands(shards: str) -> None:
    """What reads works, and what writes says what to install."""
    verified = command("verify", shards, "--json")
    assert json.loads(verified.stdout)["ok"], verified.stdout + verified.stderr
    assert "complete" in command("status", shards).stdout
    assert "augment" in command("--help").stdout
    refused = command("augment", "--stain", "cd68", "--out", "nowhere")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "pip install 'augengine[write]'" in refused.stderr, refused.stderr


def check_names() -> None:
    """A public name that needs more says so when it is imported."""
    hints = []
    for line in ("from augengine import augment", "from augengine.torch import StainNoise"):
        try:
            exec(line)  # noqa: S102 - our own lines
        except ImportError as error:
            hints.append(getattr(error, "hint", ""))
    assert len(hints) == 2, hints
    assert all("augengine[write]" in hint for hint in hints), hints


def main(shards: str, folder: str) -> None:
    """Do all of it."""
    decoded = read_without_torch(shards, folder)
    shown = read_with_torch(shards) if importlib.util.find_spec("torch") else 0
    check_commands(str(Path(shards)))
    check_names()
    heavy = {"nvidia", "openvino", "ray", "onnx", "cv2", "openslide", "pyvips"} & sys.modules.keys()
    assert not heavy, heavy
    print(f"OK {decoded} decoded, {shown} shown, Python {sys.version_info.major}.{sys.version_info.minor}")


if __name__ == "__main__":
    main(*sys.argv[1:])
