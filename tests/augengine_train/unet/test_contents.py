"""A training is known by what its tiles and variants show: with others it is not resumed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augengine.digests import canonical_json
from augengine.errors import TrainingError
from augengine.pictures.encode import encode_image, encode_mask
from augengine.sample import variant_key
from augengine.shards import ShardWriter, members_of
from augengine.stains import BUILT_IN
from augengine_train.data.decoding import PlaceReader
from augengine_train.unet import Cohort, StoredVariants, make_training
from augengine_train.unet.fit import Fit
from augengine_train.unet.tiles import Tile, find_tiles
from augengine_train.unet.variants import Rule
from tests.support.segmenter_tiles import names, tiny_recipe, write_tiles

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, patient in enumerate(("anna", "berta")):
        write_tiles(tmp_path, names(patient[0], 4), seed=10 * number, patient=patient, shard=patient)
    write_variants(tmp_path, shade=3)
    return tmp_path


def write_variants(folder: Path, *, shade: int) -> None:
    """One variant of each of anna's tiles, ``shade`` grey levels darker but for a speck."""
    reader = PlaceReader()
    with ShardWriter(folder / "variants.tar") as writer:
        for tile in find_tiles([str(folder / "anna.tar")]):
            picture = reader.image(tile.images[0]) - shade
            picture[:shade, 0] = 7
            meta = canonical_json(
                {"source_key": tile.key, "variant": 1, "source": json.dumps({"patient": tile.patient})}
            )
            mask = encode_mask(reader.mask(tile.mask))
            writer.add(
                variant_key(tile.key, 1),
                members_of(encode_image(picture, "png"), "png", mask=mask, json=meta, extras={}),
            )


def fit(folder: Path, **changes: Any) -> Fit:
    """One step on anna's tiles and variants, validated on berta's."""

    def found(*shards: str) -> tuple[Tile, ...]:
        return find_tiles([str(folder / shard) for shard in shards])

    order = Fit(
        cohort=Cohort(train=found("anna.tar", "variants.tar"), validation=found("berta.tar")),
        rule=Rule(variants=1, p=0.5, seed=0),
        variants=StoredVariants(),
        recipe=tiny_recipe(stain_jitter=True),
        out=folder / "out",
        stain=BUILT_IN["cd68"],
        steps=1,
        augmented="written ahead",
        quiet=True,
    )
    return replace(order, **changes)


def refused(order: Fit) -> str:
    with pytest.raises(TrainingError) as caught:
        make_training(order).resume()
    return caught.value.message


def test_the_same_contents_go_on(folder: Path) -> None:
    make_training(fit(folder)).train()
    assert make_training(fit(folder)).resume() == 1


def test_other_variants_tiles_or_vectors_are_refused_by_name(folder: Path) -> None:
    make_training(fit(folder)).train()
    assert "another data.jittered" in refused(fit(folder, stain=BUILT_IN["cd34"]))
    write_variants(folder, shade=9)
    assert "another data.sizes.train" in refused(fit(folder))
    write_variants(folder, shade=3)
    write_tiles(folder, names("b", 4), seed=99, patient="berta", shard="berta")
    assert "another data.sizes.validation" in refused(fit(folder))


def test_what_an_older_card_does_not_say_is_not_held_against_it(folder: Path) -> None:
    make_training(fit(folder)).train()
    for card in (folder / "out").rglob("card.json"):
        said = json.loads(card.read_text())
        del said["run"]["data"]["sizes"], said["run"]["data"]["jittered"]
        card.write_text(json.dumps(said))
    assert make_training(fit(folder)).resume() == 1


def test_variants_that_are_not_shown_do_not_count(folder: Path) -> None:
    plain = fit(folder, rule=Rule(variants=0, p=0.5, seed=0))
    make_training(plain).train()
    write_variants(folder, shade=9)
    assert make_training(replace(plain, cohort=fit(folder).cohort)).resume() == 1
