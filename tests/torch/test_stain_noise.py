"""The transform `StainNoise`: images change as `Augmenter` changes them, everything else stays, in any process."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from augengine import Augmenter
from augengine.errors import EngineError, SpecError, StainError
from augengine.torch import StainNoise
from tests.support.pictures import tissue
from tests.support.places import ROOT
from tests.support.reader_packages import load

pytestmark = pytest.mark.e2e

tv_tensors, v2 = load("torchvision.tv_tensors"), load("torchvision.transforms.v2")

SECONDS = 120


@pytest.fixture(scope="module")
def noise(small_weights: Path) -> StainNoise:
    """One that always changes an image."""
    return StainNoise("cd68", eps=0.5, p=1.0, weights=small_weights, precision="float32")


def image(seed: int = 0) -> Tensor:
    return torch.from_numpy(tissue(32, 40, seed)).permute(2, 0, 1).contiguous()


def test_the_pixels_are_the_augmenters_for_the_key_that_torch_drew(noise: StainNoise, small_weights: Path) -> None:
    torch.manual_seed(3)
    made = noise(image())
    torch.manual_seed(3)
    torch.rand(())
    key = str(int(torch.randint(2**62, ())))
    with Augmenter("cd68", eps=0.5, weights=small_weights, precision="float32", threads=1) as augment:
        expected = augment(tissue(32, 40), key=key)[0]
    np.testing.assert_array_equal(made.permute(1, 2, 0).numpy(), expected)
    assert not torch.equal(made, image())


def test_torchs_seed_makes_it_repeatable_and_each_call_draws_anew(noise: StainNoise) -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        found.append([noise(image()) for _ in range(2)])
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert not torch.equal(found[0][0], found[0][1])


def test_another_seed_draws_other_noise(noise: StainNoise, small_weights: Path) -> None:
    other = StainNoise("cd68", eps=0.5, p=1.0, seed=1, weights=small_weights, precision="float32")
    made = []
    for transform in (noise, other):
        torch.manual_seed(0)
        made.append(transform(image()))
    assert not torch.equal(*made)


def test_masks_boxes_and_labels_stay(noise: StainNoise) -> None:
    mask = tv_tensors.Mask(torch.ones((32, 40), dtype=torch.uint8))
    boxes = tv_tensors.BoundingBoxes(torch.tensor([[1, 1, 9, 9]]), format="XYXY", canvas_size=(32, 40))
    sample = {"image": tv_tensors.Image(image()), "mask": mask, "boxes": boxes, "label": 1}
    found = noise(sample)
    assert type(found["image"]) is tv_tensors.Image
    assert not torch.equal(found["image"], sample["image"])
    assert found["mask"] is mask
    assert found["boxes"] is boxes
    assert found["label"] == 1


def test_it_stands_in_a_composition_of_torchvision(noise: StainNoise) -> None:
    transform = v2.Compose([noise, v2.RandomHorizontalFlip(1.0), v2.ToDtype(torch.float32, scale=True)])
    torch.manual_seed(0)
    found, mask = transform(tv_tensors.Image(image()), tv_tensors.Mask(torch.eye(32, 40, dtype=torch.uint8)))
    torch.manual_seed(0)
    torch.testing.assert_close(found.as_subclass(Tensor), noise(image()).flip(-1).float() / 255)
    assert torch.equal(mask.as_subclass(Tensor), torch.eye(32, 40, dtype=torch.uint8).flip(-1))


def test_pictures_of_pillow_become_such_pictures(noise: StainNoise) -> None:
    torch.manual_seed(5)
    found = noise(Image.fromarray(tissue(32, 40)))
    torch.manual_seed(5)
    assert (found.mode, found.size) == ("RGB", (40, 32))
    np.testing.assert_array_equal(np.asarray(found), noise(image()).permute(1, 2, 0).numpy())


def test_each_image_of_a_batch_has_a_coin_of_its_own(small_weights: Path) -> None:
    half = StainNoise("cd68", eps=0.5, p=0.5, weights=small_weights, precision="float32")
    batch = torch.stack([image(seed) for seed in range(24)])
    torch.manual_seed(0)
    made = half(batch)
    changed = [not torch.equal(one, other) for one, other in zip(made, batch, strict=True)]
    assert made.shape == batch.shape
    assert 4 < sum(changed) < 20
    never = StainNoise("cd68", eps=0.5, p=0.0, weights=small_weights)
    assert torch.equal(never(batch), batch)


class Tissue(Dataset[Tensor]):
    """The same tissue again and again, changed by a transform."""

    def __init__(self, transform: StainNoise) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Tensor:
        made: Tensor = self.transform(image())
        return made


def test_a_pickled_copy_gives_the_same_and_opens_engines_of_its_own(noise: StainNoise) -> None:
    noise(image())
    copy = pickle.loads(pickle.dumps(noise))  # noqa: S301 - our own
    made = []
    for transform in (noise, copy):
        torch.manual_seed(1)
        made.append(transform(image()))
    assert torch.equal(*made)
    assert repr(copy) == repr(noise) == "StainNoise('cd68', eps=0.5, p=1, seed=0)"


def test_spawned_workers_draw_what_others_do_not(noise: StainNoise) -> None:
    noise(image())
    loader = DataLoader(Tissue(noise), batch_size=None, num_workers=2, multiprocessing_context="spawn")
    torch.manual_seed(0)
    made = [found.numpy().tobytes() for found in loader]
    assert len(set(made)) == 6
    torch.manual_seed(0)
    assert [found.numpy().tobytes() for found in loader] == made


@pytest.fixture
def within_time() -> Iterator[None]:
    """A child that hangs would hang the test: the alarm ends it."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("a forked process hung"))
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("within_time")
def test_forked_workers_are_refused_where_the_parent_used_openvino(noise: StainNoise) -> None:
    noise(image())
    loader = DataLoader(Tissue(noise), batch_size=None, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(EngineError, match=r"forked from one that had used OpenVINO, and would hang: start .* spawn"):
        next(iter(loader))


def in_a_process_of_its_own(code: str, weights: Path) -> subprocess.CompletedProcess[str]:
    command, told = [sys.executable, "-c", code, str(weights)], {"PYTHONPATH": f"{ROOT}:{ROOT / 'train'}"}
    limits: dict[str, Any] = {"timeout": 3 * SECONDS, "check": False}
    return subprocess.run(command, cwd=ROOT, env=os.environ | told, capture_output=True, text=True, **limits)


FRESH = """
import sys
import torch
from torch.utils.data import DataLoader
from tests.torch.test_stain_noise import StainNoise, Tissue

noise = StainNoise("cd68", eps=0.5, p=1.0, weights=sys.argv[1], precision="float32")
loader = DataLoader(Tissue(noise), batch_size=None, num_workers=2, multiprocessing_context="fork")
print(len({found.numpy().tobytes() for found in loader}))
"""


def test_forked_workers_of_a_parent_that_used_no_engine_work(small_weights: Path) -> None:
    done = in_a_process_of_its_own(FRESH, small_weights)
    assert done.stdout.strip() == "6", done.stderr


@pytest.mark.parametrize(
    ("error", "options"),
    [(SpecError, {"p": 1.5}), (SpecError, {"eps": 0.0}), (StainError, {"stain": "none"})],
)
def test_what_makes_no_sense_is_refused_at_once(error: type[Exception], options: dict[str, Any]) -> None:
    with pytest.raises(error):
        StainNoise(**{"stain": "cd68", **options})


def test_an_empty_batch_stays_empty(noise: StainNoise) -> None:
    assert noise(torch.zeros((0, 3, 8, 8), dtype=torch.uint8)).shape == (0, 3, 8, 8)


CLOSED = """
import gc, multiprocessing, signal, sys
from augengine.errors import EngineError
from tests.torch.test_stain_noise import StainNoise, image

noise = StainNoise("cd68", eps=0.5, p=1.0, weights=sys.argv[1], precision="float32")
noise(image())

def end(how):
    global noise
    signal.alarm(60)
    if how == "close":
        noise._augmenter.close()
    elif how == "call":
        try: noise(image())
        except EngineError: pass
        noise = None
        gc.collect()

for how in ("close", "call", "nothing"):
    child = multiprocessing.get_context("fork").Process(target=end, args=(how,))
    child.start()
    child.join()
    assert child.exitcode == 0, how
print("all ended")
"""


def test_a_forked_process_ends_whatever_it_did_with_what_it_got(small_weights: Path) -> None:
    done = in_a_process_of_its_own(CLOSED, small_weights)
    assert "all ended" in done.stdout, done.stderr
