"""The user's home says which format it has, and another format is refused by its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from augengine.engines.store import own_store
from augengine.errors import SpecError
from augengine.weights.home import HOME_FORMAT, home, open_home


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_looking_for_the_home_makes_nothing(folder: Path) -> None:
    assert home() == folder
    assert not folder.exists()


def test_the_first_who_writes_marks_it(folder: Path) -> None:
    assert own_store().root == folder / "engines"
    assert (folder / "format").read_text() == f"{HOME_FORMAT}\n"
    assert open_home() == home() == folder


def test_one_that_was_made_by_hand_is_marked_too(folder: Path) -> None:
    (folder / "stains").mkdir(parents=True)
    assert home() == open_home() == folder
    assert (folder / "format").read_text() == f"{HOME_FORMAT}\n"


@pytest.mark.parametrize("number", ["0", str(HOME_FORMAT + 1), "text"])
def test_another_format_is_refused_by_its_number_and_left_alone(folder: Path, number: str) -> None:
    folder.mkdir()
    (folder / "format").write_text(number)
    for look in (home, open_home, own_store):
        with pytest.raises(SpecError, match=f"has the format '{number}'") as caught:
            look()
        assert "AUGENGINE_HOME" in caught.value.hint
    assert [file.name for file in folder.iterdir()] == ["format"]
    assert (folder / "format").read_text() == number


def test_a_number_that_is_just_being_written_stops_nobody(folder: Path) -> None:
    folder.mkdir()
    (folder / "format").touch()
    assert home() == open_home() == folder


def test_a_format_that_cannot_be_read_is_refused(folder: Path) -> None:
    (folder / "format").mkdir(parents=True)
    with pytest.raises(SpecError, match="cannot read the format") as caught:
        home()
    assert "AUGENGINE_HOME" in caught.value.hint
