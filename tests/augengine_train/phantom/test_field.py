"""Drawn tissue: the same from the same seeds, markers that PAS knows nothing of, a kidney's sizes, stains' colours."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from augengine.errors import SpecError
from augengine.pictures.colour import concentrations
from augengine.pictures.markers import derive_threshold, dice, marker_mask
from augengine.stains import BUILT_IN
from augengine_train.phantom import Correlation, Field, FieldSpec, Patient, Series, Slide, draw_field
from augengine_train.phantom.anatomy import GLOMERULUS_RADIUS_UM, SCLEROTIC_SHRINKS_TO, Anatomy, draw_anatomy
from augengine_train.phantom.draws import keyed, smooth_noise, thin_out
from augengine_train.phantom.frame import MARGIN_UM, Frame
from augengine_train.phantom.markers import INFILTRATE_RADIUS_UM, KINDS, draw_markers
from augengine_train.phantom.packing import OPEN, OUT, SCLEROTIC, Packing, pack
from augengine_train.phantom.spec import NO_INFILTRATES, STAINS, Infiltrates, PhantomStain

BLUR_PX = 8
"""More than the optics' reach and a marker's soft edge together, at 0.5 um/px."""


def spec(stain: PhantomStain = "cd68", *, anatomy: int = 1, markers: int = 1, side: int = 96, **more: Any) -> FieldSpec:
    return FieldSpec(stain=stain, side=side, anatomy_seed=anatomy, marker_seed=markers, **more)


def pixels(field: Field) -> bytes:
    return field.image.tobytes() + field.glomeruli.tobytes() + field.markers.tobytes()


def test_a_field_is_the_same_twice_and_whatever_was_drawn_before() -> None:
    first = draw_field(spec())
    draw_field(spec("pas", anatomy=7, side=40))
    assert pixels(draw_field(spec())) == pixels(first)
    assert first.image.shape == (96, 96, 3)
    assert first.image.dtype == first.glomeruli.dtype == first.markers.dtype == np.uint8


def test_pas_does_not_know_where_the_markers_are() -> None:
    one, other = (draw_field(spec("pas", markers=seed, side=160)) for seed in (1, 2))
    assert one.image.tobytes() == other.image.tobytes()
    assert one.glomeruli.tobytes() == other.glomeruli.tobytes()
    agreement = dice([one.markers > 0], [other.markers > 0])
    assert agreement is not None
    assert agreement < 0.5
    correlated = draw_field(spec("pas", side=160, correlation=Correlation(glomeruli=9.0)))
    assert correlated.image.tobytes() == one.image.tobytes()


def test_another_marker_seed_changes_an_immunostain_at_markers_alone() -> None:
    one, other = (draw_field(spec(markers=seed, side=192)) for seed in (1, 2))
    reached = binary_dilation((one.markers | other.markers) > 0, iterations=BLUR_PX)
    assert np.array_equal(one.image[~reached], other.image[~reached])
    assert 0.2 < np.mean(~reached) < 0.98
    changed = np.abs(one.image.astype(int) - other.image).max(axis=2)[one.markers != other.markers]
    assert np.median(changed) > 40


def test_another_marker_seed_moves_no_structure() -> None:
    one, other = (draw_field(spec("cd34", markers=seed, side=192)) for seed in (1, 2))
    away = ~binary_dilation((one.markers | other.markers) > 0, iterations=40)
    assert away.any()
    assert np.array_equal(one.image[away], other.image[away])
    assert np.array_equal(one.glomeruli, other.glomeruli)


def test_the_stains_of_one_seed_show_one_tissue() -> None:
    pas, cd68 = draw_field(spec("pas", anatomy=4, side=128)), draw_field(spec("cd68", anatomy=4, side=128))
    assert np.array_equal(pas.glomeruli, cd68.glomeruli)
    nuclei = [concentrations(each.image, BUILT_IN[each.spec.stain])[..., 0] for each in (pas, cd68)]
    free = ~binary_dilation(cd68.markers > 0, iterations=BLUR_PX)
    assert np.corrcoef(nuclei[0][free], nuclei[1][free])[0, 1] > 0.8


@pytest.mark.parametrize(("side", "mpp"), [(16, 0.1), (33, 0.7), (16, 4.0)])
def test_any_size_is_drawn(side: int, mpp: float) -> None:
    for stain in STAINS:
        field = draw_field(spec(stain, side=side, mpp=mpp))
        assert field.image.shape == (side, side, 3)
        assert field.glomeruli.shape == field.markers.shape == (side, side)


def test_another_anatomy_seed_is_other_tissue() -> None:
    one, other = (draw_field(spec("pas", anatomy=seed)).image.astype(float) for seed in (1, 2))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.5


def test_tissue_is_drawn_in_micrometres() -> None:
    fine = draw_field(spec("pas", anatomy=3, side=200, mpp=0.5))
    coarse = draw_field(spec("pas", anatomy=3, side=100, mpp=1.0))
    agreement = dice([fine.glomeruli[::2, ::2] > 0], [coarse.glomeruli > 0])
    assert agreement is not None
    assert agreement > 0.98
    halved = fine.image.reshape(100, 2, 100, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(halved.ravel(), coarse.image.astype(float).ravel())[0, 1] > 0.75


def anatomies(count: int, side_um: float = 250) -> list[Anatomy]:
    return [draw_anatomy(side_um, seed, Patient.of(seed % 5)) for seed in range(count)]


def test_glomeruli_have_the_sizes_of_a_kidney_and_do_not_touch() -> None:
    drawn = anatomies(60)
    found = [each for anatomy in drawn for each in anatomy.glomeruli]
    low, high = GLOMERULUS_RADIUS_UM
    for each in found:
        smallest = low * SCLEROTIC_SHRINKS_TO[0] if each.sclerotic else low
        assert 0.9 * smallest <= each.radius_um <= 1.1 * high
    assert 0 < np.mean([each.sclerotic for each in found]) < 0.5
    for anatomy in drawn:
        for i, one in enumerate(anatomy.glomeruli):
            for other in anatomy.glomeruli[i + 1 :]:
                apart = np.hypot(one.y_um - other.y_um, one.x_um - other.x_um)
                assert apart > one.radius_um + other.radius_um


def test_tubules_have_the_sizes_of_a_kidney() -> None:
    widths = []
    for anatomy in anatomies(6, side_um=150):
        packing = pack(anatomy, Frame(150, 1.0))
        seen = np.unique(packing.number[packing.tubule > 0])
        widths += [2 * float(packing.widest[number]) for number in seen]
    assert 25 < np.median(widths) < 65
    assert np.percentile(widths, 90) > 1.3 * np.percentile(widths, 10)


def test_tubules_interstitium_and_lumina_share_the_field_as_in_a_kidney() -> None:
    packed = [pack(anatomy, Frame(150, 1.0)) for anatomy in anatomies(6, 150)]
    depth = np.concatenate([each.tubule[(each.zone == OUT) & (each.vessel < 0)] for each in packed])
    assert 0.7 < np.mean(depth > 0) < 0.93  # the interstitium of an ageing cortex is 10 to 25 %


@cache
def packing_with_both_kinds() -> Packing:
    """The packing of a field with an open glomerulus and a sclerotic one."""
    for seed in range(400):
        anatomy = draw_anatomy(420, seed, Patient.of(6))
        inside = [each for each in anatomy.glomeruli if 0 < min(each.y_um, each.x_um) < max(each.y_um, each.x_um) < 420]
        if {each.sclerotic for each in inside} == {True, False}:
            return pack(anatomy, Frame(420, 1.0))
    raise AssertionError("no such field among 400")


@pytest.mark.parametrize("correlation", [(1.0, 1.0), (4.0, 0.0), (0.5, 8.0)])
def test_correlation_is_the_density_in_glomeruli_over_that_outside(correlation: tuple[float, float]) -> None:
    packing = packing_with_both_kinds()
    counts, runs = np.zeros(3), 60
    for seed in range(runs):
        both = Correlation(glomeruli=correlation[0], sclerotic=correlation[1])
        places = draw_markers(KINDS["cd68"], packing, seed, both).places
        rows, columns = np.floor(places + MARGIN_UM).astype(int).T
        counts += np.bincount(packing.zone[rows, columns], minlength=3)
    areas = np.array([np.count_nonzero(packing.zone == zone) for zone in (OUT, OPEN, SCLEROTIC)]) / 1e6
    expected = runs * KINDS["cd68"].per_mm2 * areas * [1.0, *correlation]
    assert np.all(np.abs(counts - expected) <= 4 * np.sqrt(expected))


def test_infiltrates_add_crowded_markers_and_change_no_others() -> None:
    packing, kind = packing_with_both_kinds(), KINDS["cd68"]
    added, expected = 0, 0.0
    for seed in range(40):
        usual = draw_markers(kind, packing, seed, Correlation())
        baited = draw_markers(kind, packing, seed, Correlation(), Infiltrates(per_mm2=8, density=4))
        count = len(usual.places)
        for name in ("places", "radius", "ratio", "angle", "strength"):
            assert np.array_equal(getattr(baited, name)[:count], getattr(usual, name))
        rows, columns = np.floor(baited.places[count:] + MARGIN_UM).astype(int).T
        assert np.all(packing.zone[rows, columns] == OUT)
        added += len(rows)
        # Circles overlap and reach beyond the field, so this is the most that can be expected.
        mean_area = float(np.pi * np.mean(np.square(np.linspace(*INFILTRATE_RADIUS_UM, 99)))) / 1e6
        expected += 8 * packing.zone.size / 1e6 * mean_area * 4 * kind.per_mm2
    assert 0.4 * expected < added < expected


def test_pas_shows_no_infiltrates_and_a_field_says_that_it_has_some() -> None:
    plain, baited = (spec("pas", side=160, infiltrates=each) for each in (NO_INFILTRATES, Infiltrates(per_mm2=30)))
    assert draw_field(plain).image.tobytes() == draw_field(baited).image.tobytes()
    assert draw_field(baited).to_json()["infiltrates"] == {"per_mm2": 30, "density": 4.0}
    for values in ({"per_mm2": -1.0}, {"per_mm2": 101.0}, {"density": -1.0}):
        with pytest.raises(SpecError, match="of infiltrates is in"):
            Infiltrates(**values)


def test_markers_lie_in_interstitium_and_tufts_only() -> None:
    packing = packing_with_both_kinds()
    places = draw_markers(KINDS["cd34"], packing, 5, Correlation()).places
    rows, columns = np.floor(places + MARGIN_UM).astype(int).T
    inner = np.maximum(packing.tuft, packing.scar)[rows, columns] > 0
    assert np.all(inner | (packing.tubule[rows, columns] < 0))
    assert np.all(packing.vessel[rows, columns] < 0)


@pytest.mark.parametrize("stain", ["cd68", "cd34"])
def test_colour_deconvolution_finds_the_markers_that_were_drawn(stain: PhantomStain) -> None:
    fields = [draw_field(spec(stain, anatomy=seed, markers=seed, side=192, patient=seed)) for seed in range(3)]
    threshold = derive_threshold([field.image for field in fields], BUILT_IN[stain])
    found = [marker_mask(field.image, BUILT_IN[stain], threshold) for field in fields]
    agreement = dice(found, [field.markers > 0 for field in fields])
    assert agreement is not None
    assert agreement > 0.75
    assert 0.005 < np.mean([field.markers.mean() for field in fields]) < 0.15


def test_patients_differ_and_stay_the_same() -> None:
    people = [Patient.of(number) for number in range(12)]
    assert people == [Patient.of(number) for number in range(12)]
    assert len({person.name for person in people}) == 12
    assert np.std([person.gap_um for person in people]) > 0.1
    strengths = [Slide.of(person, "pas").chromogen for person in people]
    assert 0.05 < np.std(strengths) < 0.4


def test_a_mask_counts_what_it_shows() -> None:
    seen = [draw_field(spec("pas", anatomy=seed, side=64, mpp=2.0)) for seed in range(6)]
    for field in seen:
        assert set(np.unique(field.glomeruli)) <= {0, 1}
        assert 0 <= field.sclerotic_count <= field.glomerulus_count
        if field.glomeruli.mean() > 0.02:
            assert field.glomerulus_count > 0
    assert any(field.glomerulus_count for field in seen)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"side": 8}, "side is 16 to 4096"),
        ({"mpp": 9.0}, "um/px are 0.1 to 4"),
        ({"side": 4096, "mpp": 1.0}, "at most 2048 um wide, got 4096"),
        ({"stain": "jones"}, "drawn in pas, cd68, cd34"),
        ({"patient": -1}, "numbered from 0"),
        ({"marker_seed": 1 << 60}, "marker_seed is a whole number"),
    ],
)
def test_a_spec_refuses_what_cannot_be_drawn(change: dict[str, Any], rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        replace(spec(), **change)


def test_a_correlation_is_no_negative_factor() -> None:
    with pytest.raises(SpecError, match="a factor in"):
        Correlation(glomeruli=-1)


def test_a_longer_series_begins_with_the_shorter() -> None:
    short, long = (Series(stain="cd68", count=count, patients=3, seed=5) for count in (4, 9))
    assert [short.spec(i) for i in range(4)] == [long.spec(i) for i in range(4)]
    assert len({long.key(i) for i in range(9)}) == 9
    seeds = {(long.spec(i).anatomy_seed, long.spec(i).marker_seed) for i in range(9)}
    assert len(seeds) == 9


def test_two_stains_of_a_series_share_tissue_and_not_markers() -> None:
    pas, cd68 = (Series(stain=stain, count=2, seed=5).spec(1) for stain in ("pas", "cd68"))
    assert pas.anatomy_seed == cd68.anatomy_seed
    assert pas.marker_seed != cd68.marker_seed
    assert Series(stain="cd68", count=2, seed=6).spec(1).anatomy_seed != cd68.anatomy_seed


def test_series_of_other_people_have_no_person_and_no_tissue_in_common() -> None:
    train, test = (Series(stain="cd68", count=6, patients=3, first_patient=first) for first in (0, 3))
    people = [{series.spec(i).patient for i in range(6)} for series in (train, test)]
    assert people == [{0, 1, 2}, {3, 4, 5}]
    assert not {train.spec(i).anatomy_seed for i in range(6)} & {test.spec(i).anatomy_seed for i in range(6)}


def test_what_is_thinned_out_is_apart_and_leaves_no_room() -> None:
    points = keyed(0, "points").uniform(0, 60, (900, 2))
    kept = points[thin_out(points, 6)]
    assert cKDTree(kept).query(kept, k=2)[0][:, 1].min() >= 6
    assert np.mean(cKDTree(kept).query(points)[0] < 6) > 0.99


def test_noise_has_unit_variance_at_every_width() -> None:
    for sigma in (0.8, 3.0, 12.0):
        noise = smooth_noise(keyed(1, f"noise {sigma}"), (300, 300), sigma)
        assert 0.6 < noise.std() < 1.4
        assert noise.dtype == np.float32
