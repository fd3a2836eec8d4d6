"""Checkpoints of a few kilobytes that claim gigabytes, or never end: refused by name, in bounded time and memory."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from augengine.errors import CheckpointError
from augengine.generator.entries import MAX_MAPPINGS
from augengine.generator.load import read_checkpoint
from augengine.generator.network import Generator
from augengine.weights.recipe import Recipe

SECONDS, BYTES = 40, 3500 << 20
"""What an import may take."""


def small_state(width: int = 4) -> dict[str, torch.Tensor]:
    """The tensors of a generator with random weights."""
    return Generator(Recipe(name="zhu2017", width=width, blocks=1)).state_dict()


def shared() -> Any:
    value: Any = {}
    for _ in range(12):
        value = {f"k{i}": value for i in range(8)}
    return value


def shared_with_a_generator() -> Any:
    value: Any = small_state()
    for _ in range(7):
        value = {f"k{i}": value for i in range(9)}
    return value


def in_itself() -> Any:
    value: dict[str, Any] = {"x": 1}
    value["again"] = value
    return value


def many() -> Any:
    return {str(i): {} for i in range(MAX_MAPPINGS + 1)}


def expanded() -> Any:
    return {name: torch.zeros(1).expand(tensor.shape) for name, tensor in small_state(width=512).items()}


def one_storage() -> Any:
    numbers = torch.zeros(1 << 20)
    return {f"model.{i}.weight": numbers[: 1 << 20] for i in range(4000)}


def changed(change: Callable[[torch.Tensor], Any]) -> Any:
    return {name: change(tensor) for name, tensor in small_state().items()}


def long_number() -> Any:
    return {10**5000: torch.zeros(2, 2), **dict(enumerate(small_state().values()))}


MADE: dict[str, tuple[Callable[[], Any], str]] = {
    "mappings that share what they hold": (shared, "holds no state dict"),
    "a mapping in itself": (in_itself, "holds no state dict"),
    "too many mappings": (many, f"more than {MAX_MAPPINGS} mappings"),
    "one number, expanded": (expanded, "they repeat what is stored"),
    "four thousand tensors of one storage": (one_storage, "they repeat what is stored"),
    "sparse": (lambda: changed(lambda t: t.to_sparse()), "a sparse tensor"),
    "meta": (lambda: changed(lambda t: t.to("meta")), "a meta .empty. tensor"),
    "float8": (lambda: changed(lambda t: t.to(torch.float8_e4m3fn)), "a 8-bit floating-point tensor"),
    "complex": (lambda: changed(lambda t: t.to(torch.complex64)), "a complex tensor"),
    "a name with 5000 digits": (long_number, "is damaged or holds more than weights"),
}


@pytest.mark.parametrize("name", MADE)
def test_a_checkpoint_that_claims_too_much_is_refused(name: str, tmp_path: Path) -> None:
    make, said = MADE[name]
    torch.save(make(), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=said) as caught:
        read_checkpoint(tmp_path / "x.pth")
    assert caught.value.hint


def test_a_generator_that_stands_under_many_names_is_one(tmp_path: Path) -> None:
    torch.save(shared_with_a_generator(), tmp_path / "x.pth")
    assert read_checkpoint(tmp_path / "x.pth").generator.recipe.width == 4


def test_a_deflated_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save({"model.1.weight": torch.zeros(1 << 22)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in plain.infolist():
            packed.writestr(member.filename, plain.read(member))
    assert (tmp_path / "x.pth").stat().st_size < 1 << 17
    with pytest.raises(CheckpointError, match="unpacks to 16"):
        read_checkpoint(tmp_path / "x.pth")


def test_a_legacy_file_is_checked_as_well(tmp_path: Path) -> None:
    torch.save(expanded(), tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match="they repeat what is stored"):
        read_checkpoint(tmp_path / "x.pth")
    torch.save(small_state(), tmp_path / "good.pth", _use_new_zipfile_serialization=False)
    assert read_checkpoint(tmp_path / "good.pth").generator is not None


def test_a_pickle_of_odd_opcodes_is_refused(tmp_path: Path) -> None:
    for data in (b"\x80\x02.", b"\x80\x02]q\x00(K\x01e.", pickle.dumps({"a": {1, 2}}), b"\x80\x04\x95" + b"\xff" * 8):
        (tmp_path / "x.pth").write_bytes(data)
        with pytest.raises(CheckpointError):
            read_checkpoint(tmp_path / "x.pth")


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
from augengine.cli.main import main
main(["import", sys.argv[1], "--stain", "cd68", "--direction", "to-reference"])
"""


@pytest.mark.e2e
@pytest.mark.parametrize("script", ["shared_dicts.py", "expanded.py"])
def test_the_cases_end_in_time_and_within_memory(script: str, safety_cases: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(safety_cases / script), str(tmp_path / "x.pth")], check=True)
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "x.pth"), str(BYTES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2, done.stderr
    assert "fault of augengine" not in done.stderr


def test_odd_tensors_that_nobody_asks_for_are_passed_over(tmp_path: Path) -> None:
    others = {
        "optimizer": {"moment": torch.zeros(4, dtype=torch.float8_e4m3fn), "step": torch.zeros(1).expand(1, 3, 8, 8)},
        "netD": {"fft": torch.zeros(4, dtype=torch.complex64)},
    }
    averages = {f"ema_{i}": {"step": torch.tensor(i)} for i in range(3)}
    torch.save({"netG": small_state(), **others, **averages}, tmp_path / "x.pth")
    assert read_checkpoint(tmp_path / "x.pth", entry="netG").generator is not None


@pytest.mark.parametrize("entry", [None, "netG", "ema"])
def test_one_state_under_two_names_is_found_by_both(entry: str | None, tmp_path: Path) -> None:
    state = small_state()
    torch.save({"netG": state, "ema": state}, tmp_path / "x.pth")
    assert read_checkpoint(tmp_path / "x.pth", entry=entry).generator.recipe.width == 4
