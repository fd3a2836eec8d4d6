"""One image in memory: the pixels of the dataset, A', the way back, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augengine import Augmenter
from augengine.errors import SpecError, WeightsError
from tests.support.datasets import make, members
from tests.support.pictures import Pixels, decode, encode, stained

pytestmark = pytest.mark.e2e

SIDE = 64


@pytest.fixture(scope="module")
def image() -> Pixels:
    return stained(SIDE, 3)


def test_its_pixels_are_those_that_augment_writes_for_the_key(small_weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiles"
    folder.mkdir()
    pictures = {f"t{i}": stained(SIDE, i) for i in range(3)}
    for name, pixels in pictures.items():
        (folder / f"{name}.png").write_bytes(encode(pixels))
    make(folder, tmp_path / "out", small_weights, variants=2, seed=7, eps=0.1, precision="float32")
    written = members(tmp_path / "out")
    with Augmenter("cd68", eps=0.1, weights=small_weights, seed=7, precision="float32") as augment:
        for name, pixels in pictures.items():
            made = augment(pixels, variants=2, key=name)
            assert made.shape == (2, SIDE, SIDE, 3)
            for number in (1, 2):
                assert np.array_equal(made[number - 1], decode(written[f"{name}-v{number:04d}.png"]))


def test_a_list_is_augmented_image_by_image(small_weights: Path) -> None:
    pictures = [stained(SIDE, 0), stained(48, 1), stained(SIDE, 2)]
    with Augmenter("cd68", eps=0.2, weights=small_weights) as augment:
        made = augment(pictures, variants=3, key=["a", "b", "c"])
        assert [each.shape for each in made] == [(3, SIDE, SIDE, 3), (3, 48, 48, 3), (3, SIDE, SIDE, 3)]
        assert np.array_equal(made[1], augment(pictures[1], variants=3, key="b"))


def test_without_a_key_the_noise_follows_from_the_pixels(small_weights: Path, image: Pixels) -> None:
    with Augmenter("cd68", eps=0.2, weights=small_weights) as augment:
        first, second = augment(image), augment(image.copy())
        assert np.array_equal(first, second)
        assert not np.array_equal(first, augment(image, key="another"))


def test_a_given_sigma_is_the_noise_of_every_variant(copies: Path, image: Pixels) -> None:
    with Augmenter("cd68", eps=0.01, weights=copies) as augment:
        grey = np.full_like(image, 128)
        made = augment(grey, variants=4, sigma=0.1, key="k").astype(float)
        assert made.std(axis=(1, 2, 3)) == pytest.approx([12.75] * 4, rel=0.05)
        assert abs(np.corrcoef(made[0].ravel(), made[1].ravel())[0, 1]) < 0.05


def test_there_and_back_of_a_pair_that_copies_is_the_image(copies: Path, image: Pixels) -> None:
    odd = image[:50, :41]
    with Augmenter("cd68", weights=copies) as augment:
        a = augment.to_reference(odd)
        assert a.shape == (3, 50, 41)
        assert a.dtype == np.float32
        assert np.abs((a + 1) * 127.5 - odd.transpose(2, 0, 1)).max() < 2
        assert np.abs(augment.reconstruct(odd).astype(int) - odd).max() <= 2


def test_engines_of_few_sizes_are_held_and_it_goes_on_after_it_was_closed(copies: Path) -> None:
    augment = Augmenter("cd68", weights=copies)
    for side in (32, 40, 48, 56, 64, 72):
        augment(stained(side, 0))
    assert len(augment._open) == 4
    augment.close()
    assert not augment._open
    assert augment(stained(32, 0)).shape == (1, 32, 32, 3)
    augment.close()


def test_it_says_what_it_is(copies: Path) -> None:
    assert repr(Augmenter("cd68", eps=0.2, weights=copies)) == "Augmenter('cd68', eps=0.2, seed=0, by way of pas)"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image": np.zeros((8, 8), np.uint8)}, r"uint8 \(H, W, 3\)"),
        ({"image": np.zeros((3, 64, 64), np.uint8)}, r"uint8 \(H, W, 3\)"),
        ({"image": np.zeros((64, 64, 3), np.float32)}, "float32"),
        ({"variants": 0}, "variants must be"),
        ({"sigma": 3.0}, "eps must be"),
        ({"key": ""}, "one key"),
        ({"key": ["a", "b"]}, "one key"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object], said: str, copies: Path, image: Pixels) -> None:
    with Augmenter("cd68", weights=copies) as augment, pytest.raises(SpecError, match=said):
        augment(**{"image": image, **wrong})  # type: ignore[call-overload]


def test_a_stain_without_generators_or_eps_is_refused_at_once(tmp_path: Path, copies: Path) -> None:
    with pytest.raises(WeightsError):
        Augmenter("cd34", weights=copies)
    with pytest.raises(SpecError, match="nobody measured an eps"):
        Augmenter("hdab", weights=copies)
