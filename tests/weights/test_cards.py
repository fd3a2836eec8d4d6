"""Cards check themselves, and a stain's pair is found whole or refused in a sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augengine.errors import SpecError, WeightsError
from augengine.json_values import from_json, to_json
from augengine.spec import round_side
from augengine.weights.cards import (
    CARD_FORMAT,
    DIRECTIONS,
    Card,
    Parity,
    digest_weights,
    find_weights,
    list_weights,
    read_card,
    write_card,
)
from augengine.weights.home import SAMPLE_WEIGHTS, home, weight_roots
from tests.support.small_generator import write_small_pair

PACKAGE = weight_roots()[-1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one sound pair, pas-cd68."""
    write_small_pair(tmp_path / "weights")
    return tmp_path / "weights"


def card_of(root: Path) -> Card:
    return read_card(root / "pas-cd68" / "to-reference.json")


def test_a_card_survives_its_file(root: Path, tmp_path: Path) -> None:
    card = replace(card_of(root), training="PAS → CD68, 0.5 µm", parity=Parity(max=0.3, rms=1e-7))
    write_card(card, tmp_path / "card.json")
    assert read_card(tmp_path / "card.json") == card


def test_a_card_without_a_multiple_is_of_a_generator_with_two_strides(root: Path) -> None:
    data = to_json(card_of(root))
    assert from_json(Card, {**data, "multiple": 16}).multiple == 16
    del data["multiple"]
    assert from_json(Card, data) == card_of(root)
    assert card_of(root).multiple == 4


@pytest.mark.parametrize(("multiples", "sides"), [((4, 4), 52), ((16, 4), 64), ((4, 32), 64), ((12, 8), 72)])
def test_a_pairs_sides_are_multiples_of_both_generators(multiples: tuple[int, int], sides: int, root: Path) -> None:
    folder = root / "pas-cd68"
    for direction, multiple in zip(DIRECTIONS, multiples, strict=True):
        write_card(replace(read_card(folder / f"{direction}.json"), multiple=multiple), folder / f"{direction}.json")
    pair = find_weights("pas", "cd68", [root])
    assert round_side(50, pair.multiple) == sides
    assert all(round_side(sides, each.multiple) == sides for each in pair.cards.values())


@pytest.mark.parametrize(
    ("pixels", "multiple", "side"), [(1, 4, 16), (16, 4, 16), (250, 4, 252), (1, 12, 24), (257, 256, 512)]
)
def test_sides_of_engines_are_the_smallest_that_hold_the_pixels(pixels: int, multiple: int, side: int) -> None:
    assert round_side(pixels, multiple) == side


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("direction", "sideways"),
        ("mpp", 0),
        ("mpp", float("nan")),
        ("mpp", "0.5"),
        ("stain", ""),
        ("stain", "pas"),
        ("limits", ""),
        ("training", 3),
        ("recipe", 3),
        ("parity", {"max": 0.1, "rms": 0.2}),
        ("parity", {"max": 0.1}),
        ("multiple", 0),
        ("multiple", 6),
        ("multiple", 16.0),
        ("multiple", "16"),
        ("multiple", True),
        ("multiple", 516),
        ("format", 2),
        ("colour", "brown"),
    ],
)
def test_a_card_with_a_wrong_field_is_refused(field: str, value: Any, root: Path) -> None:
    file = root / "pas-cd68" / "to-reference.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    with pytest.raises(WeightsError, match=r"to-reference\.json"):
        find_weights("pas", "cd68", [root])


@pytest.mark.parametrize("field", ["stain", "recipe", "parity", "format", "weights_digest"])
def test_a_card_without_a_field_is_refused_and_names_it(field: str, root: Path) -> None:
    data = to_json(card_of(root))
    del data[field]
    with pytest.raises(SpecError, match=field):
        from_json(Card, data, version=CARD_FORMAT)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b'"text"', b"\xff\xfe"])
def test_a_file_that_is_no_card_is_named(content: bytes, root: Path) -> None:
    (root / "pas-cd68" / "from-reference.json").write_bytes(content)
    with pytest.raises(WeightsError, match=r"from-reference\.json"):
        find_weights("pas", "cd68", [root])


def test_a_sound_pair_is_found_with_its_digests(root: Path) -> None:
    pair = find_weights("pas", "cd68", [root])
    assert (pair.reference, pair.stain, pair.mpp) == ("pas", "cd68", 0.5)
    assert pair.to_reference == root / "pas-cd68" / "to-reference.onnx"
    assert pair.from_reference == root / "pas-cd68" / "from-reference.onnx"
    for direction in DIRECTIONS:
        assert pair.cards[direction].direction == direction
        assert pair.digests[direction] == digest_weights(pair.path(direction))
    assert pair.digests["to-reference"] != pair.digests["from-reference"]


def test_the_earlier_root_wins(root: Path, tmp_path: Path) -> None:
    write_small_pair(tmp_path / "own", seed=1)
    write_small_pair(tmp_path / "own", stain="ki67")
    roots = [tmp_path / "own", root]
    assert find_weights("pas", "cd68", roots).folder == tmp_path / "own" / "pas-cd68"
    assert [(pair.stain, pair.folder.parent) for pair in list_weights(roots)] == [
        ("cd68", tmp_path / "own"),
        ("ki67", tmp_path / "own"),
    ]
    assert [pair.folder.parent for pair in list_weights(roots[::-1])] == [root, tmp_path / "own"]


def test_missing_weights_name_what_was_searched_and_found(root: Path, tmp_path: Path) -> None:
    roots = [tmp_path / "nowhere", root]
    with pytest.raises(WeightsError) as caught:
        find_weights("pas", "cd3", roots)
    assert all(text in caught.value.message for text in ("pas-cd3", *map(str, roots)))
    assert all(text in caught.value.hint for text in ("pas-cd68", "train", "--weights"))
    with pytest.raises(WeightsError) as caught:
        find_weights("pas", "cd68", [tmp_path / "nowhere"])
    assert "none" in caught.value.hint


@pytest.mark.parametrize("name", [f"{d}.{ext}" for d in DIRECTIONS for ext in ("onnx", "json")])
def test_three_quarters_of_a_pair_are_refused_and_the_rest_is_named(name: str, root: Path) -> None:
    (root / "pas-cd68" / name).unlink()
    with pytest.raises(WeightsError, match=name):
        find_weights("pas", "cd68", [root])
    with pytest.raises(WeightsError, match=name):
        list_weights([root])


def test_folders_without_weights_are_passed_over(root: Path) -> None:
    (root / "not-weights").mkdir()
    (root / "old-notes.txt").write_text("nothing")
    assert [pair.stain for pair in list_weights([root])] == ["cd68"]


def test_an_onnx_file_that_is_not_its_cards_is_refused(root: Path) -> None:
    with (root / "pas-cd68" / "to-reference.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(WeightsError, match=r"to-reference\.onnx is not the file"):
        find_weights("pas", "cd68", [root])


def test_a_pair_under_another_stains_name_is_refused(root: Path) -> None:
    shutil.move(root / "pas-cd68", root / "pas-cd34")
    with pytest.raises(WeightsError, match="pas-cd68, to-reference"):
        find_weights("pas", "cd34", [root])


def test_swapped_directions_are_refused(root: Path) -> None:
    pair = root / "pas-cd68"
    for ext in ("onnx", "json"):
        (pair / f"to-reference.{ext}").rename(pair / f"spare.{ext}")
        (pair / f"from-reference.{ext}").rename(pair / f"to-reference.{ext}")
        (pair / f"spare.{ext}").rename(pair / f"from-reference.{ext}")
    with pytest.raises(WeightsError, match="from-reference"):
        find_weights("pas", "cd68", [root])


def test_generators_of_another_scale_are_no_pair(root: Path) -> None:
    write_card(replace(card_of(root), mpp=0.25), root / "pas-cd68" / "to-reference.json")
    with pytest.raises(WeightsError, match=r"0\.25.*0\.5"):
        find_weights("pas", "cd68", [root])


def test_a_named_root_is_searched_alone_and_else_the_home_before_the_package(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    assert home() == tmp_path / "home"
    assert weight_roots(root) == (root,)
    assert weight_roots() == (tmp_path / "home" / "weights", PACKAGE)
    assert weight_roots(sample_set=True) == (SAMPLE_WEIGHTS,)
    assert weight_roots(root, sample_set=True) == (root,)
    with pytest.raises(WeightsError, match="nowhere"):
        weight_roots(tmp_path / "nowhere")


def test_without_a_home_of_its_own_it_is_in_the_users_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUGENGINE_HOME", raising=False)
    assert home().name == "augengine"
    assert home().is_absolute()


def test_the_package_carries_sound_honest_pairs_and_a_drawn_one_that_no_search_finds() -> None:
    pairs = list_weights([PACKAGE])
    assert {pair.stain for pair in pairs} == {"cd34", "cd68"}
    (drawn,) = list_weights([SAMPLE_WEIGHTS])
    assert (drawn.name, drawn.of_sample_set) == ("cd68 (sample set)", True)
    assert "drawn tissue" in drawn.cards["to-reference"].limits
    for card in (card for pair in pairs for card in pair.cards.values()):
        assert "proves nothing clinical" in card.limits
        assert card.parity.max < 2e-3  # what rounding trained weights to float16 costs: half a grey level is 3.9e-3
        assert card.parity.rms < 2e-4
    size = sum(file.stat().st_size for file in PACKAGE.rglob("*") if file.is_file())
    assert size <= 24_000_000
