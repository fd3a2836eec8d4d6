"""Harmless values beside the weights are read as stand-ins, and nothing of what a file names is called."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PureWindowsPath
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from augengine.errors import CheckpointError
from augengine.generator import read_checkpoint
from augengine.generator.inert import Inert, Plain, inert_globals
from tests.generator.test_load import saved, translates_like
from tests.support.foreign_generators import Numbered, draw_weights

BESIDE: dict[str, Callable[[], Any]] = {
    "a NumPy scalar": lambda: np.float64(0.3),
    "a NumPy integer": lambda: np.int64(3),
    "a NumPy array": lambda: np.arange(6.0).reshape(2, 3),
    "a Namespace": lambda: Namespace(lr=1e-4, out=Path("runs")),
    "a simple namespace": lambda: SimpleNamespace(lr=1e-4),
    "a path": lambda: Path("runs/7"),
    "a Windows path": lambda: PureWindowsPath("C:/runs"),
    "a dictionary with a default": lambda: defaultdict(dict, lr={"G": 1e-4}),
    "a time": lambda: datetime(2026, 1, 2, tzinfo=UTC),
}


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("beside", BESIDE)
def test_harmless_values_beside_the_weights_are_passed_over(beside: str, form: str, tmp_path: Path) -> None:
    network, value = draw_weights(Numbered()), BESIDE[beside]()
    content = {"state_dict": network.state_dict(), "hyper_parameters": {"best": value, "all": [value, value]}}
    torch.save(content, tmp_path / "last.ckpt", _use_new_zipfile_serialization=form == "zip")
    assert translates_like(network, read_checkpoint(tmp_path / "last.ckpt"))


def test_no_stand_in_is_what_it_stands_for() -> None:
    """Nothing of the classes that a file names is called, however harmless they are."""
    assert {stand_in for stand_in, _ in inert_globals()} == {Inert, Plain}
    value = Inert(1, 2, key=3)
    value.__setstate__({"lr": 1})
    assert vars(value) == {}
    assert type(Plain(list, 1)) is dict


def test_weights_in_another_kind_of_dictionary_are_found(tmp_path: Path) -> None:
    network = draw_weights(Numbered())
    content: dict[str, Any] = defaultdict(dict, {})
    content["netG"] = defaultdict(list, network.state_dict())
    torch.save(content, tmp_path / "last.ckpt")
    assert translates_like(network, read_checkpoint(tmp_path / "last.ckpt"))


class AttributeDict(dict[str, Any]):
    """As Lightning has it."""


def test_what_lightning_keeps_needs_no_lightning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = ModuleType("lightning_fabric.utilities.data")
    monkeypatch.setattr(room, "AttributeDict", AttributeDict, raising=False)
    monkeypatch.setattr(AttributeDict, "__module__", room.__name__)
    network = draw_weights(Numbered())
    with monkeypatch.context() as saving:
        for name in ("lightning_fabric", "lightning_fabric.utilities", room.__name__):
            saving.setitem(sys.modules, name, room if name == room.__name__ else ModuleType(name))
        content = {"state_dict": network.state_dict(), "hyper_parameters": AttributeDict(lr=1e-4, out=Path("runs"))}
        torch.save(content, tmp_path / "last.ckpt")
    assert b"lightning_fabric.utilities.data" in (tmp_path / "last.ckpt").read_bytes()
    assert translates_like(network, read_checkpoint(tmp_path / "last.ckpt"))


@pytest.mark.parametrize("value", [Fraction(1, 3), Decimal("0.1"), nn.Conv2d(1, 1, 1)])
def test_other_values_are_named_as_torch_names_them(value: object, tmp_path: Path) -> None:
    file = saved({"state_dict": Numbered().state_dict(), "best": value}, tmp_path)
    kind = f"{type(value).__module__}.{type(value).__qualname__}".replace(".", r"\.")
    with pytest.raises(CheckpointError, match=f"more than weights, {kind}, perhaps code, and was not run") as caught:
        read_checkpoint(file)
    assert "torch.save(netG.state_dict(), FILE)" in caught.value.hint
