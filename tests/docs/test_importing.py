"""What docs/guide/importing.md tells people to export and to type is done here, with small networks."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from augengine.chain.translate import normalise, quantise
from augengine.generator import MAX_READINGS
from augengine.importing.example import MAX_ERROR
from augengine.weights.cards import MAX_MULTIPLE, find_weights
from tests.docs.test_pages import blocks
from tests.support.foreign_generators import Numbered, draw_weights
from tests.support.pictures import encode, tissue, write_folder
from tests.support.places import ROOT
from tests.support.typed_lines import type_in_process

PAGE = ROOT / "docs" / "guide/importing.md"


@pytest.mark.e2e
def test_the_page_brings_both_directions_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    networks = [draw_weights(Numbered(), seed) for seed in range(2)]
    torch.save(networks[0].state_dict(), tmp_path / "netG_B.pth")
    picture = tissue(64, 64, 1)
    (tmp_path / "in.png").write_bytes(encode(picture))
    after = quantise(networks[0](torch.from_numpy(normalise([picture]))).numpy())[0]
    (tmp_path / "out.png").write_bytes(encode(after))
    write_folder(tmp_path / "tiles", ["a", "b"], height=64)
    torch_export, keras_export = blocks(PAGE, "python")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the exporter's own making
        exec(torch_export, {"net": networks[1]})  # noqa: S102 - the page's own lines
    (tmp_path / "netG.onnx").rename(tmp_path / "netG_A.onnx")
    compile(keras_export, str(PAGE), "exec")
    lines = [line for block in blocks(PAGE) for line in block.splitlines() if line.startswith("augengine ")]
    type_in_process(lines, {})
    pair = find_weights("pas", "cd68", [tmp_path / "home" / "weights"])
    assert [card.multiple for card in pair.cards.values()] == [4, 4]


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"Up to {MAX_READINGS} readings" in text
    assert f"agrees to {MAX_ERROR:g} grey levels" in text
    assert f"up to {MAX_MULTIPLE} px" in text
