"""Which tiles are trained on, validated on and tested on: patient by patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augengine.errors import SourceError, SpecError
from augengine.tiling.patients import Patients, Split, check_one_split
from augengine_train.unet.recipe import UnetRecipe
from augengine_train.unet.tiles import Tile, find_tiles, pass_over

Tiles = tuple[Tile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Three sets of tiles that share neither a tile nor a patient.

    Attributes:
        train: At least one tile.
        validation: What the best model is chosen by; may be empty.
        test: What is reported; may be empty.

    Raises:
        SourceError: Nothing to train on, or a tile or a patient in two of them.
    """

    train: Tiles
    validation: Tiles = ()
    test: Tiles = ()

    def __post_init__(self) -> None:
        if not self.train:
            raise SourceError("there are no tiles to train on", hint="name shards, and patients whose split is train")
        splits = list(self._splits())
        check_one_split((tile.patient, split) for split, tile in splits if tile.patient)
        seen: dict[str, Split] = {}
        for split, tile in splits:
            if seen.setdefault(tile.key, split) != split:
                raise SourceError(f"the tile {tile.key} is in two splits, {seen[tile.key]} and {split}")

    def _splits(self) -> Iterable[tuple[Split, Tile]]:
        pairs: tuple[tuple[Split, Tiles], ...] = (
            ("train", self.train), ("validation", self.validation), ("test", self.test),
        )  # fmt: skip
        return ((split, tile) for split, tiles in pairs for tile in tiles)

    @property
    def tiles(self) -> Tiles:
        """The tiles of all three splits."""
        return self.train + self.validation + self.test

    @property
    def doubt(self) -> str:
        """A line about tiles that say no patient, of whom nobody knows the split; empty if there are none."""
        count = sum(1 for tile in self.tiles if not tile.patient)
        if not count:
            return ""
        return f"{count} of {len(self.tiles)} tiles say no patient: that no patient is in two splits cannot be checked"

    def without(self, keys: Iterable[str]) -> Cohort:
        """The same with some tiles left out of the training.

        Raises:
            SourceError: Some of them are not among the training tiles, or none are left.
        """
        left_out = set(keys)
        if strange := sorted(left_out - {tile.key for tile in self.train}):
            raise SourceError(
                f"{len(strange)} tiles are to be left out and are not trained on anyway, as {strange[0]}",
                hint="were they drawn from these shards and patients?",
            )
        return replace(self, train=tuple(tile for tile in self.train if tile.key not in left_out))

    def passing_over(self, classes: Sequence[str]) -> Cohort:
        """The same, the training tiles of some classes shown as they are; see `pass_over`."""
        return replace(self, train=pass_over(self.train, classes))

    def check_sizes(self, recipe: UnetRecipe) -> None:
        """Refuse tiles that are smaller than a crop; see `check_sizes`."""
        check_sizes(self.tiles, recipe)

    def to_json(self) -> dict[str, Any]:
        """Counts, as plain json values."""
        found: dict[str, list[Tile]] = {"train": [], "validation": [], "test": []}
        for split, tile in self._splits():
            found[split].append(tile)
        return {
            split: {"tiles": len(tiles), "patients": len({tile.patient for tile in tiles} - {""})}
            for split, tiles in found.items()
        }


def check_sizes(tiles: Sequence[Tile], recipe: UnetRecipe) -> None:
    """Refuse tiles that are smaller than a crop.

    Raises:
        SourceError: It names the first one.
    """
    small = [tile for tile in tiles if min(tile.height, tile.width) // recipe.shrink < recipe.crop]
    if small:
        first = small[0]
        raise SourceError(
            f"{len(small)} tiles are smaller than a crop of {recipe.shrink * recipe.crop} px, as {first.key} with "
            f"{first.width} x {first.height}",
            hint=_smaller(min(min(tile.height, tile.width) for tile in small), recipe),
        )


def _smaller(side: int, recipe: UnetRecipe) -> str:
    """What trains on tiles of this least side, in pixels."""
    crop = recipe.largest_crop(side // recipe.shrink)
    fitting = "" if crop is None else f"--crop {crop}, "
    return f"{fitting}or --recipe small, which trains on small tiles without a GPU; or cut larger tiles"


def open_cohort(
    data: Sequence[str],
    patients: Path | None,
    *,
    train: Sequence[str] = (),
    validation: Sequence[str] = (),
    test: Sequence[str] = (),
) -> Cohort:
    """The cohort that a user means: everything and a patients' file, or shards for each split.

    Args:
        data: Shards of all patients; goes with ``patients``.
        patients: A CSV file of file (keys of tiles, or globs of keys), patient and split.
        train, validation, test: Shards of each split.

    Raises:
        SpecError: Neither way, or both.
        SourceError: Shards that cannot be read, or a patient in two splits.
    """
    if data and patients is not None and not (train or validation or test):
        return split_by_patients(find_tiles(data), Patients.read(patients), " ".join(data))
    if data or patients is not None or not train:
        raise SpecError(
            "what is trained on and what is measured on is not said",
            hint="give --data with --patients, or --train, --validation and --test",
        )
    others = {name: find_tiles(texts) if texts else () for name, texts in (("validation", validation), ("test", test))}
    return Cohort(train=find_tiles(train), **others)


def split_by_patients(tiles: Sequence[Tile], patients: Patients, text: str) -> Cohort:
    """The cohort that a patients' file describes.

    Args:
        tiles: All of them.
        patients: Its ``file`` column holds keys of tiles, or globs of keys.
        text: What the user called the tiles.

    Raises:
        SourceError: A tile without a patient, or whose json names another one than the file.
    """
    named = name_patients(tiles, patients, text)
    chosen = {split: tuple(tile for tile, found in named if found == split)
              for split in ("train", "validation", "test")}  # fmt: skip
    return Cohort(**chosen)


def name_patients(tiles: Sequence[Tile], patients: Patients, text: str) -> list[tuple[Tile, Split]]:
    """Each tile with the patient that a patients' file says, and that one's split; see `split_by_patients`."""
    of = patients.split([tile.key for tile in tiles], text)
    for tile, (patient, _) in zip(tiles, of, strict=True):
        if tile.patient and tile.patient != patient:
            raise SourceError(
                f"{tile.key} is of the patient {tile.patient} by its json and of {patient} by the patients' file",
                hint="correct the file: its column file holds keys of tiles",
            )
    return [(replace(tile, patient=patient), split) for tile, (patient, split) in zip(tiles, of, strict=True)]


def parse_classes(text: str) -> tuple[int, ...]:
    """The ids that count as foreground, from an option such as ``1`` or ``1,76``.

    Raises:
        SpecError: Not whole numbers in 1 ... 255.
    """
    try:
        ids = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise SpecError(f"classes are whole numbers, got {text!r}", hint="--classes 1 or --classes 1,76") from error
    if not all(0 < each < 256 for each in ids):
        raise SpecError(f"a foreground class is 1 ... 255, got {text!r}", hint="0 is background")
    return ids
