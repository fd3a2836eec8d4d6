"""The reference engine keeps the contract."""

from __future__ import annotations

import pytest

from augengine.engines._torch import TorchBackend
from augengine.engines.base import Array, Backend
from tests.engine_contract import EngineContract, Images

torch = pytest.importorskip("torch", reason="torch is not installed")


class TorchContract(EngineContract):
    @classmethod
    def make_backend(cls) -> Backend:
        return TorchBackend()

    @classmethod
    def to_device(cls, array: Images) -> Array:
        return torch.from_numpy(array.copy()).cuda() if torch.cuda.is_available() else array

    @classmethod
    def to_host(cls, array: Array) -> Images:
        host: Images = array.cpu().numpy() if torch.cuda.is_available() else array
        return host


class TestTorchFloat32(TorchContract):
    precision = "float32"


@pytest.mark.gpu
class TestTorchFloat16(TorchContract):
    precision = "float16"
