"""Generator weights on disk: the card beside each ONNX file, and the search for a stain's pair.

Place: ``{root}/{reference}-{stain}/{to-reference,from-reference}.onnx`` with a ``.json`` card each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from augengine.digests import bytes_digest
from augengine.errors import SpecError, WeightsError
from augengine.json_values import from_json, parse_json, to_json
from augengine.spec import SIDE_MULTIPLE
from augengine.storage import read_plain
from augengine.weights.home import SAMPLE_WEIGHTS

Direction = Literal["to-reference", "from-reference"]
"""``to-reference`` is the paper's G_BA (stain to PAS), ``from-reference`` its G_AB."""

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

CARD_FORMAT = 1

MAX_MULTIPLE = 512
"""Largest number of pixels that sides may have to be multiples of; nine strides of 2 need it."""

MAX_CARD_BYTES = 1 << 20

MPP_TOLERANCE = 0.2
"""How far a source's um/px may be off the generators' own, as a share of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Largest and root-mean-square difference from the checkpoint in torch, in units of the [-1, 1] range."""

    max: float
    rms: float

    def __post_init__(self) -> None:
        if not (0 <= self.rms <= self.max <= 2):
            raise SpecError(f"parity is 0 <= rms <= max <= 2, got rms {self.rms}, max {self.max}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a stored generator is, and what it is not good for.

    Attributes:
        stain: The stain of the pair that is not the reference.
        reference: The reference stain.
        direction: Which way it translates.
        recipe: The generator's architecture as plain json values.
        mpp: um/px of the images it was trained on.
        training: What it was trained on and how, in prose.
        limits: What it must not be used for, in prose.
        checkpoint_digest: blake2b (16 bytes, hex) of the checkpoint file it was exported from.
        weights_digest: blake2b (16 bytes, hex) of the ONNX file beside the card.
        parity: Difference of the stored ONNX, its weights rounded to float16, from the checkpoint.
        multiple: What the sides of its images are multiples of, in pixels; itself a multiple of 4.
        judged: The verdict on its pair on tissue that no training saw, in words; empty where nobody looked.
        format: Version of these fields.
    """

    stain: str
    reference: str
    direction: Direction
    recipe: Mapping[str, Any]
    mpp: float
    training: str
    limits: str
    checkpoint_digest: str
    weights_digest: str
    parity: Parity
    multiple: int = SIDE_MULTIPLE
    judged: str = ""
    format: int = CARD_FORMAT

    def __post_init__(self) -> None:
        if self.format != CARD_FORMAT:
            raise SpecError(f"the card has format {self.format}, this version reads {CARD_FORMAT}")
        if self.direction not in DIRECTIONS:
            raise SpecError(f"a card's direction is one of {', '.join(DIRECTIONS)}, got {self.direction!r}")
        if not (math.isfinite(self.mpp) and 0 < self.mpp < 100):
            raise SpecError(f"mpp must be in (0, 100) um/px, got {self.mpp}")
        allowed = range(SIDE_MULTIPLE, MAX_MULTIPLE + 1, SIDE_MULTIPLE)
        if self.multiple not in allowed:
            raise SpecError(
                f"a card's multiple is a multiple of {SIDE_MULTIPLE} up to {MAX_MULTIPLE} px, got {self.multiple!r}"
            )
        for name in ("stain", "reference", "training", "limits", "checkpoint_digest", "weights_digest"):
            value = getattr(self, name)
            if not value:
                raise SpecError(f"a card's {name} is a text, got {value!r}")
        if self.stain == self.reference:
            raise SpecError(f"a card's stain and reference differ, got {self.stain!r} for both")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsPair:
    """Both generators of a stain, found and checked.

    Attributes:
        reference, stain: The pair's stains.
        folder: Where they lie.
        cards: By direction.
        digests: blake2b (16 bytes, hex) of the ONNX files, by direction.
    """

    reference: str
    stain: str
    folder: Path
    cards: Mapping[Direction, Card]
    digests: Mapping[Direction, str]

    def path(self, direction: Direction) -> Path:
        """The ONNX file of a direction."""
        return self.folder / f"{direction}.onnx"

    @property
    def to_reference(self) -> Path:
        """Stain to reference: G_BA."""
        return self.path("to-reference")

    @property
    def from_reference(self) -> Path:
        """Reference to stain: G_AB."""
        return self.path("from-reference")

    @property
    def mpp(self) -> float:
        """um/px both generators were trained at."""
        return self.cards["to-reference"].mpp

    @property
    def multiple(self) -> int:
        """What the sides of both generators' images are multiples of, in pixels."""
        return math.lcm(*(card.multiple for card in self.cards.values()))

    @property
    def judged(self) -> str:
        """The verdict on the pair that its cards hold, in words; empty where nobody looked."""
        return self.cards["to-reference"].judged

    @property
    def of_sample_set(self) -> bool:
        """Whether this is the sample set's own pair."""
        return self.folder.parent == SAMPLE_WEIGHTS

    @property
    def name(self) -> str:
        """The stain, for people; the sample set's own pair says that it is."""
        return f"{self.stain} (sample set)" if self.of_sample_set else self.stain

    def build_command(self, size: int) -> str:
        """The command that compiles this pair for images of ``size`` pixels."""
        only = "" if self.of_sample_set else f"--stain {self.stain} "
        return f"augengine build-engines {only}--size {size}"


def find_weights(reference: str, stain: str, roots: Sequence[Path]) -> WeightsPair:
    """The pair of a stain, from the first root that has its folder.

    Raises:
        WeightsError: None found, or the one found is incomplete, damaged or mislabelled.
    """
    folder = _pair_folders(roots).get((reference, stain))
    if folder is None:
        found = ", ".join(sorted("-".join(pair) for pair in _pair_folders(roots))) or "none"
        raise WeightsError(
            f"no weights for {reference}-{stain} in {', '.join(str(root) for root in roots)}",
            hint=f"found there: {found}; import or train a pair, or name its folder with --weights, which is then the "
            "only one that is searched",
        )
    return _read_pair(folder, reference, stain)


def list_weights(roots: Sequence[Path]) -> list[WeightsPair]:
    """Every pair, by name; of two with one name the earlier root's.

    Raises:
        WeightsError: One is incomplete, damaged or mislabelled.
    """
    return [_read_pair(folder, *pair) for pair, folder in sorted(_pair_folders(roots).items())]


def list_pairs(roots: Sequence[Path]) -> list[tuple[str, str]]:
    """Reference and stain of every folder that looks like a pair's, by name; nothing in it is read."""
    return sorted(_pair_folders(roots))


def mpp_fits(mpp: float, own: float) -> bool:
    """Whether a source of ``mpp`` um/px suits generators trained at ``own`` um/px."""
    return abs(mpp / own - 1) <= MPP_TOLERANCE


def read_card(file: Path) -> Card:
    """Read a card.

    Raises:
        WeightsError: Missing, unreadable, or not a card.
    """
    try:
        return from_json(Card, parse_json(read_plain(file, limit=MAX_CARD_BYTES)), version=CARD_FORMAT)
    except FileNotFoundError as error:
        raise WeightsError(f"the card {file} is missing", hint=_RESTORE) from error
    except (OSError, SpecError) as error:
        raise WeightsError(f"cannot read the card {file}: {error}", hint=_RESTORE) from error


def write_card(card: Card, file: Path) -> None:
    """Write a card, to be read by people too.

    Raises:
        WeightsError: The file cannot be written.
    """
    try:
        file.write_text(json.dumps(to_json(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise WeightsError(f"cannot write {file}: {error.strerror}", hint="choose a folder with room") from error


def digest_weights(file: Path) -> str:
    """blake2b (16 bytes, hex) of a file's bytes.

    Raises:
        WeightsError: It cannot be read.
    """
    try:
        return bytes_digest(file.read_bytes())
    except OSError as error:
        raise WeightsError(f"cannot read {file}: {error.strerror}", hint=_RESTORE) from error


_RESTORE = "a pair has four files, (to|from)-reference.onnx and .json: copy them, or `augengine import` the checkpoints"


def _pair_folders(roots: Iterable[Path]) -> dict[tuple[str, str], Path]:
    """Folders named ``{reference}-{stain}`` with an ONNX file or a card; the earlier root wins."""
    found: dict[tuple[str, str], Path] = {}
    for root in roots:
        for folder in sorted(root.glob("*-*/")):
            reference, _, stain = folder.name.partition("-")
            if any((folder / f"{d}{ext}").exists() for d in DIRECTIONS for ext in (".onnx", ".json")):
                found.setdefault((reference, stain), folder)
    return found


def _read_pair(folder: Path, reference: str, stain: str) -> WeightsPair:
    cards: dict[Direction, Card] = {}
    digests: dict[Direction, str] = {}
    for direction in DIRECTIONS:
        file = folder / f"{direction}.onnx"
        if not file.is_file():
            raise WeightsError(f"half a pair: {file} is missing", hint=_RESTORE)
        card = cards[direction] = read_card(file.with_suffix(".json"))
        _check_place(card, file, (reference, stain, direction))
        digests[direction] = digest_weights(file)
        if digests[direction] != card.weights_digest:
            raise WeightsError(f"{file} is not the file its card describes: the digests differ", hint=_RESTORE)
    if len(found := {card.mpp for card in cards.values()}) > 1:
        raise WeightsError(f"the two generators in {folder} differ in um/px: {sorted(found)}", hint=_RESTORE)
    return WeightsPair(reference=reference, stain=stain, folder=folder, cards=cards, digests=digests)


def _check_place(card: Card, file: Path, place: tuple[str, str, Direction]) -> None:
    says = (card.reference, card.stain, card.direction)
    if says != place:
        raise WeightsError(
            f"the card beside {file} is for {says[0]}-{says[1]}, {says[2]}", hint="move the file where its card says"
        )
