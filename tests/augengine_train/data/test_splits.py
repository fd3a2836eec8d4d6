"""What a training holds out: strips, files and patients that it never sees, and the tiles cut of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from augengine.errors import SourceError, SpecError
from augengine_train.data import Domain, Holdout, Patients, open_domain
from augengine_train.data.crops import summary
from augengine_train.data.decoding import PlaceReader
from augengine_train.data.places import Place
from augengine_train.validate.tiles import cut_tiles
from tests.support.drawn_domains import crops, domain, write
from tests.support.pictures import Pixels, encode, tissue


def test_a_card_tells_other_pixels_and_other_splits_apart(tmp_path: Path) -> None:
    write(tmp_path, p1=(40, 40), p2=(40, 40))

    def told(held_out: str) -> dict[str, object]:
        return dict(summary(open_domain(str(tmp_path), name="pas", holdout=Holdout.parse(held_out))))

    first, other = told("p1*"), told("p2*")
    assert first == told("p1*")
    assert {name for name in first if first[name] != other[name]} == {"digest", "held_out_digest"}
    (tmp_path / "p1.png").write_bytes(encode(tissue(40, 40, seed=9)))
    changed = told("p1*")
    assert {name for name in first if first[name] != changed[name]} == {"held_out_digest"}


def test_a_few_tiles_of_many_pictures_decode_those_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, **{f"p{i}": (40, 40) for i in range(9)})
    found = open_domain(str(tmp_path), name="pas", holdout=Holdout.parse("*"))
    decoded: list[str] = []
    image = PlaceReader.image

    def counted(self: PlaceReader, place: Place) -> Pixels:
        decoded.append(place.name)
        return image(self, place)

    monkeypatch.setattr(PlaceReader, "image", counted)
    assert len(cut_tiles(found.held_out, count=2)) == 2
    assert decoded == ["p0.png", "p4.png"]


def test_too_narrow_a_strip_is_named_with_its_picture(tmp_path: Path) -> None:
    write(tmp_path, wide=(64, 200), narrow=(64, 60))
    found = open_domain(str(tmp_path), name="pas", holdout=Holdout(strip=0.3))
    with pytest.raises(SourceError, match=r"held out of picture narrow.png is 18 x 64 px, at least 32"):
        cut_tiles(found.held_out)


def test_the_strip_is_the_right_side_and_is_not_trained_on(tmp_path: Path) -> None:
    write(tmp_path, a=(40, 100))
    found = open_domain(str(tmp_path), name="pas", holdout=Holdout.parse("0.2"))
    assert (found.images[0] == tissue(40, 100)[:, :80]).all()
    assert (found.held_out[0] == tissue(40, 100)[:, 80:]).all()


def test_files_are_held_out_whole(tmp_path: Path) -> None:
    write(tmp_path, p1_a=(40, 40), p1_b=(40, 44), p2_a=(40, 48))
    found = open_domain(str(tmp_path), name="pas", holdout=Holdout.parse("p1_*"))
    assert [picture.shape[1] for picture in found.held_out] == [40, 44]
    assert found.sizes == ((40, 48),)
    with pytest.raises(SourceError, match=r"no picture of .* is called p9\.png"):
        open_domain(str(tmp_path), name="pas", holdout=Holdout.parse("p9.png"))


@pytest.mark.parametrize("text", ["0.9", "-0.1", "nan", " , "])
def test_a_senseless_holdout_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        Holdout.parse(text)


def _patients(folder: Path, *rows: str) -> Path:
    file = folder / "patients.csv"
    file.write_text("\n".join(["file,patient,split", *rows]) + "\n")
    return file


def test_patients_say_what_is_held_out(tmp_path: Path) -> None:
    write(tmp_path / "tiles", p1_a=(40, 40), p2_a=(40, 44), p3_a=(40, 48))
    table = _patients(tmp_path, "p1_*,anna,train", "p2_*,berta,validation", "p3_*,carl,test")
    found = open_domain(str(tmp_path / "tiles"), name="pas", patients=table)
    assert (found.sizes, [p.shape[1] for p in found.held_out]) == (((40, 40),), [44])
    with pytest.raises(SpecError, match="already say what is held out"):
        open_domain(str(tmp_path / "tiles"), name="pas", patients=table, holdout=Holdout(strip=0.2))


def test_a_patient_is_in_one_split_only(tmp_path: Path) -> None:
    table = _patients(tmp_path, "p1_a.png,anna,train", "p1_b.png,anna,validation")
    with pytest.raises(SourceError, match="anna is in two splits, train and validation"):
        Patients.read(table)


def test_a_patient_is_in_one_split_over_both_domains() -> None:
    trained = Domain(name="pas", images=domain().images, patients={"anna": "train"})
    measured = Domain(name="cd68", images=domain().images, patients={"anna": "validation", "berta": "train"})
    with pytest.raises(SourceError, match="anna is in two splits"):
        crops(reference=trained, stain=measured)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["p1_*,anna,train"], "p2_a.png of .* is in no row"),
        (["*,anna,train", "p2_*,berta,train"], "matches 2 patients: anna, berta"),
        (["*,anna,trian"], "line 2 of .* says .*'trian'"),
        (["*,,train"], "line 2"),
    ],
)
def test_every_picture_has_one_patient(tmp_path: Path, rows: list[str], reason: str) -> None:
    write(tmp_path / "tiles", p1_a=(40, 40), p2_a=(40, 44))
    with pytest.raises(SourceError, match=reason):
        open_domain(str(tmp_path / "tiles"), name="pas", patients=_patients(tmp_path, *rows))
