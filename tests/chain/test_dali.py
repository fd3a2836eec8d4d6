"""The chain as a DALI graph keeps the contract, agrees with the plain one, and leaves quietly."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from augengine.chain.base import ChainSpec, Request, Translators
from augengine.chain.dali import DaliChain
from augengine.chain.plain import PlainChain
from augengine.engines._openvino import OpenVinoBackend
from augengine.engines.base import Array, Engine, EngineSpec, Manifest
from augengine.pictures.encode import encode_image
from augengine.pictures.images import Decoder
from tests.support.array_engines import blur, pair, swap_colours
from tests.support.chain_contract import ChainContract
from tests.support.chain_requests import Image, images_of, levels_apart, requests, spec
from tests.support.places import ROOT

LEAVE_WITH_WORK_UNDER_WAY = """
from augengine.chain.dali import DaliChain
from tests.support.array_engines import identity, pair
from tests.support.chain_requests import requests, spec

chain = DaliChain(pair(identity, identity), spec())
chain.put(requests(3))
chain.put(requests(3))
print("leaving")
"""


class TestDaliChain(ChainContract):
    def make(self, translators: Translators, chain_spec: ChainSpec) -> DaliChain:
        return DaliChain(translators, chain_spec)

    def test_the_next_batch_is_taken_while_the_engines_work(self) -> None:
        release, started = threading.Event(), threading.Event()

        def wait(x: Array) -> Array:
            started.set()
            assert release.wait(timeout=30)
            return x

        with self.open(self.pair(wait), spec()) as chain:
            chain.put(requests(1))
            assert started.wait(timeout=30)
            chain.put(requests(2))
            release.set()
            assert [len(chain.get()), len(chain.get())] == [1, 2]

    def test_an_error_belongs_to_its_own_batch(self) -> None:
        def refuse_two(x: Array) -> Array:
            if len(x) == 2:
                raise ZeroDivisionError("two are too many")
            return x

        with self.open(self.pair(refuse_two), spec()) as chain:
            chain.put(requests(1))
            chain.put(requests(2))
            assert [outcome.key for outcome in chain.get()] == ["k0"]
            with pytest.raises(Exception, match="two are too many"):
                chain.get()


def test_closing_ends_the_threads_that_it_started() -> None:
    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    DaliChain(pair(blur, blur), spec()).close()  # what DALI keeps for the whole process
    before = threads()
    chain = DaliChain(pair(blur, blur), spec())
    chain.put(requests(2))
    assert threads() > before
    chain.close()
    # A thread that Python has joined is the kernel's for a moment more.
    until = time.monotonic() + 5
    while threads() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threads() == before


def test_a_program_may_end_with_work_under_way() -> None:
    command = [sys.executable, "-c", LEAVE_WITH_WORK_UNDER_WAY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "leaving\n"), done.stderr


def test_dali_and_plain_agree_within_a_grey_level() -> None:
    engines = pair(swap_colours, blur)
    for a, b in _both(engines, spec(), requests(4)):
        assert levels_apart(a, b) <= 1


def test_dali_and_plain_agree_on_real_tissue_with_real_generators(shared_data: Path, tmp_path: Path) -> None:
    engines = Translators(
        to_reference=_float32_engine("to-reference", tmp_path),
        from_reference=_float32_engine("from-reference", tmp_path),
    )
    files = sorted((shared_data / "hannover" / "cd68_glomeruli_20x").glob("*.png"))[:2]
    tiles = Decoder(threads=1, max_side=1024).decode([file.read_bytes() for file in files])
    crops = [tile[192 : 192 + height, 192:320] for tile, height in zip(tiles, (128, 90), strict=True)]  # type: ignore[index]
    asked = [Request(key=f"k{i}", image=encode_image(crop, "png")) for i, crop in enumerate(crops)]
    for (a, b), crop in zip(_both(engines, spec(eps=0.05), asked), crops, strict=True):
        assert levels_apart(a, b) <= 1
        assert levels_apart(a[0], crop) > 10  # they did translate
        assert levels_apart(a[0], a[1]) > 10


def _float32_engine(direction: str, folder: Path) -> Engine:
    backend = OpenVinoBackend()
    engine_spec = EngineSpec(precision="float32", height=128, width=128)
    place = folder / direction
    place.mkdir()
    backend.build(ROOT / "augengine" / "weights" / "pas-cd68" / f"{direction}.onnx", engine_spec, place)
    manifest = Manifest(
        weights_digest="",
        backend=backend.name,
        backend_version=backend.version(),
        device_class=backend.device_class(),
        spec=engine_spec,
    )
    return backend.load(place, manifest, threads=1)


def _both(engines: Translators, chain_spec: ChainSpec, asked: list[Request]) -> Iterator[tuple[Image, Image]]:
    """The images of the plain chain beside DALI's."""
    outcomes = []
    for chain in (PlainChain(engines, chain_spec), DaliChain(engines, chain_spec)):
        chain.put(asked)
        outcomes.append([images_of(outcome) for outcome in chain.get()])
        chain.close()
    return zip(*outcomes, strict=True)
