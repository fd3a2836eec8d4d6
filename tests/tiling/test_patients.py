"""Which row of a patients' file is meant, and what is said of a file that is not as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from augengine.errors import SourceError
from augengine.tiling.patients import PatientRow, Patients

HEAD = "file,patient,split\n"


def _read(folder: Path, text: str) -> Patients:
    file = folder / "split.csv"
    file.write_text(text, encoding="utf-8")
    return Patients.read(file)


def _patients(folder: Path, rows: str, *paths: str) -> list[str]:
    return [row.patient for row in _read(folder, HEAD + rows).rows_of(paths, "the slides")]


def test_a_name_with_a_globs_signs_means_itself_and_nothing_else(tmp_path: Path) -> None:
    rows = "b [1].tif,anna,train\nb 1.tif,berta,test\n"
    assert _patients(tmp_path, rows, "b [1].tif", "b 1.tif") == ["anna", "berta"]
    with pytest.raises(SourceError, match=r"b 1\.tif of the slides is in no row of the patients' file"):
        _patients(tmp_path, "b [1].tif,anna,train\n", "b [1].tif", "b 1.tif")


def test_an_exact_name_goes_before_a_glob(tmp_path: Path) -> None:
    rows = "*.tif,anna,train\ns2.tif,berta,test\n"
    assert _patients(tmp_path, rows, "s1.tif", "s2.tif") == ["anna", "berta"]


@pytest.mark.parametrize("row", ["s1", "S1.TIF", "s1.tif", "a/s1", "a/s1.tif", "A/S1", "a/*", "s?.tif"])
def test_a_row_may_leave_out_folder_extension_and_letter_case(row: str, tmp_path: Path) -> None:
    assert _patients(tmp_path, f"{row},anna,train\n", "a/s1.tif") == ["anna"]
    with pytest.raises(SourceError, match="is in no row of the patients' file"):
        _patients(tmp_path, f"{row},anna,train\n", "b/t1.tif")


def test_names_are_the_same_in_both_unicode_forms(tmp_path: Path) -> None:
    assert _patients(tmp_path, "ni\u0308ere,anna,train\n", "n\u00efere.ome.tif") == ["anna"]


def test_names_that_differ_in_letter_case_alone_are_two_files(tmp_path: Path) -> None:
    assert _patients(tmp_path, "s1.tif,anna,train\nS1.tif,berta,test\n", "S1.tif", "s1.tif") == ["berta", "anna"]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["file,patient,split", "File,PATIENT, Split ", "split,file,patient"])
def test_columns_are_found_whatever_separates_them(sign: str, header: str, tmp_path: Path) -> None:
    cells = {"file": "s1.tif", "patient": "anna", "split": "Train"}
    row = ",".join(cells[name.strip().casefold()] for name in header.split(","))
    found = _read(tmp_path, f"{header}\n{row}\n".replace(",", sign) + 2 * sign + "\n\n")
    assert found.rows == (PatientRow(file="s1.tif", patient="anna", split="train"),)


@pytest.mark.parametrize(("text", "mpp"), [("0.25", 0.25), ("0,5", 0.5), ("", None)])
def test_a_column_states_um_per_px(text: str, mpp: float | None, tmp_path: Path) -> None:
    found = _read(tmp_path, f"file;patient;split;mpp\ns1;anna;train;{text}\n")
    assert found.rows_of(["s1.tif"], "the slides")[0].mpp == mpp


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        _read(tmp_path, "file,patient,split,mpp\ns1,,train,\ns2,anna,training,\ns3,anna,train,wide\ns4,eva,test,1\n")
    assert [f"line {n} of" in caught.value.message for n in (2, 3, 4, 5)] == [True, True, True, False]
    assert "'wide' um/px" in caught.value.message
    with pytest.raises(SourceError, match=r"no column 'file', 'split'; it has 'name', 'patient'"):
        _read(tmp_path, "name,patient\ns1,anna\n")
    with pytest.raises(SourceError, match=r"s2\.tif of the slides .*; s3\.tif of the slides"):
        _patients(tmp_path, "s1,anna,train\n", "s1.tif", "s2.tif", "s3.tif")
    with pytest.raises(SourceError, match=r"anna is in two splits.*berta is in two splits"):
        _read(tmp_path, HEAD + "a,anna,train\nb,berta,test\nc,anna,test\nd,berta,train\n")


def test_a_name_that_several_files_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"2 files of the slides are called s\.tif"):
        _patients(tmp_path, "s.tif,anna,train\n", "a/s.tif", "b/s.tif")
    assert _patients(tmp_path, "a/s,anna,train\nb/s,eva,train\n", "a/s.tif", "b/s.tif") == ["anna", "eva"]


def test_one_patient_in_two_spellings_is_in_one_split(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="patient anna is in two splits, train and test"):
        _read(tmp_path, HEAD + "a,Anna,train\nb,anna,test\n")
    with pytest.raises(SourceError, match="is in two splits"):
        _read(tmp_path, HEAD + "a,J\u00f6,train\nb,Jo\u0308,test\n")


@pytest.mark.parametrize(
    "name", ["um/px", "\u00b5m per pixel", "MPP_X", "slide_mpp", "Pixel size", "microns_per_pixel"]
)
def test_um_per_px_under_another_name_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="which is not read") as caught:
        _read(tmp_path, f"file,patient,split,{name}\ns1,anna,train,0.25\n")
    assert "mpp" in caught.value.hint
    assert _read(tmp_path, f"file,patient,split,{name},mpp\ns1,anna,train,0.3,0.25\n").rows[0].mpp == 0.25


def test_a_column_that_comes_twice_and_another_coding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the column 'patient' twice"):
        _read(tmp_path, "file,patient,split,Patient\ns1,anna,train,berta\n")
    for coding in ("latin-1", "utf-16"):
        (tmp_path / "split.csv").write_bytes((HEAD + "s1,J\u00f6,train\n").encode(coding))
        with pytest.raises(SourceError, match="another coding than UTF-8"):
            Patients.read(tmp_path / "split.csv")
