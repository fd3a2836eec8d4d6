"""A validation's KID: measured where there is a feature network, and it tells colours apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from augengine.errors import CheckpointError
from augengine_train.cyclegan.judge import held_out_judge
from augengine_train.data import Domain
from augengine_train.validate.kid import kernel_distance, load_features
from tests.support.known_networks import CD68, Find, Hide, measured
from tests.support.pictures import stained, tissue


class Means(nn.Module):
    """The mean and the deviation of each channel: features enough to tell colours apart."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.float() / 255
        return torch.cat([y.mean(dim=(2, 3)), y.std(dim=(2, 3))], dim=1)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    file = tmp_path / "features.pt"
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        torch.jit.script(Means()).save(str(file))  # type: ignore[no-untyped-call]
    return file


def test_kid_tells_colours_apart(features: Path) -> None:
    network = load_features(features, torch.device("cpu"))
    some, others = ([tissue(48, 64, seed=first + i) for i in range(8)] for first in (0, 10))
    brown = [stained(64, seed=10 + i, spots=20) for i in range(8)]
    alike, unlike = kernel_distance(some, others, network), kernel_distance(some, brown, network)
    assert alike is not None
    assert unlike is not None
    assert unlike > 3 * abs(alike)
    assert kernel_distance(some[:1], brown, network) is None


def test_kid_is_part_of_a_validation_if_there_is_a_network(features: Path) -> None:
    assert measured(Hide(), Find(), sigmas=()).kid_stain is None
    found = measured(nn.Identity(), nn.Identity(), sigmas=(), features=load_features(features, torch.device("cpu")))
    assert found.kid_stain is not None
    assert any(line.startswith("KID: pas") for line in found.lines())


def test_a_training_has_kid_in_every_validation_if_there_is_a_network(features: Path) -> None:
    pas, cd68 = [tissue(64, 64, seed=i) for i in range(2)], [stained(64, i) for i in range(2)]
    domains = Domain.of_arrays("pas", pas, pas), Domain.of_arrays("cd68", cd68, cd68)
    for network, measured_it in ((load_features(features, torch.device("cpu")), True), (None, False)):
        judge = held_out_judge(*domains, CD68, features=network)
        found = judge(nn.Identity(), nn.Identity(), 1)
        assert (found.numbers["kid_stain"] is not None) == measured_it


def test_what_is_no_feature_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no network")
    for file in (tmp_path / "text.pt", tmp_path / "missing.pt"):
        with pytest.raises(CheckpointError, match="cannot be read as a feature network"):
            load_features(file, torch.device("cpu"))
    with pytest.raises(CheckpointError, match="does not fit"):
        kernel_distance([tissue(48, 48)] * 2, [tissue(48, 48)] * 2, nn.Linear(3, 3))
