"""Stain files: what they may say, and what they are refused for, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from augengine.errors import StainError
from augengine.stains import HAEMATOXYLIN, Stain
from augengine_train.experiments.choose_eps.stain_file import recommend_eps

GOOD = 'name = "cd3"\nreference = "pas"\nchromogen = [0.27, 1, 0.78]\n'


def test_a_file_says_a_stain_and_leaves_out_what_it_may(tmp_path: Path) -> None:
    (tmp_path / "cd3.toml").write_text(GOOD)
    assert Stain.from_toml(tmp_path / "cd3.toml") == Stain(name="cd3", reference="pas", chromogen=(0.27, 1, 0.78))
    (tmp_path / "he.toml").write_text('name = "he"\nchromogen = [0.1, 1.0, 0.1]\nnote = "eosin"\n')
    found = Stain.from_toml(tmp_path / "he.toml")
    assert (found.reference, found.counterstain, found.note) == (None, HAEMATOXYLIN, "eosin")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "cd3"\nreference = "pas"\n', "it has no chromogen: three optical densities, of R, G and B"),
        ("chromogen = [0.27, 0.57, 0.78]\n", "it has no name: a text"),
        (GOOD + "epsilon = 0.1\n", "it has an unknown key 'epsilon'"),
        (GOOD.replace("[0.27, 1, 0.78]", "[0.27, 1]"), "its chromogen is [0.27, 1], which is not three optical"),
        (GOOD.replace("[0.27, 1, 0.78]", '"brown"'), "its chromogen is 'brown', which is not three optical"),
        (GOOD.replace("[0.27, 1, 0.78]", '[0.27, "1", 0.78]'), "which is not three optical densities"),
        (GOOD.replace("[0.27, 1, 0.78]", "[0, 0, 0]"), "not all 0"),
        (GOOD + 'recommended_eps = "0.1"\n', "its recommended_eps is '0.1', which is not a number"),
        (GOOD + "realistic_eps = true\n", "its realistic_eps is True, which is not a number"),
        (GOOD + "realistic_eps = 3\n", "eps must be in (0, 2]"),
        (GOOD.replace("[0.27, 1, 0.78]", "[nan, 1, 0.78]"), "which is not three optical densities"),
        (GOOD + f"realistic_eps = {10**400}\n", "which is not a number"),
        (GOOD.replace('"cd3"', "3"), "its name is 3, which is not a text"),
        ("name = ", "Invalid value"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_words(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "cd3.toml"
    file.write_text(text)
    with pytest.raises(StainError) as caught:
        Stain.from_toml(file)
    assert caught.value.message.startswith(f"cannot read the stain file {file}: ")
    assert said in caught.value.message
    assert "chromogen" in caught.value.hint


def test_a_file_of_other_bytes_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "cd3.toml"
    file.write_bytes((GOOD + 'note = "gef\xe4rbt"\n').encode("latin-1"))
    before = file.read_bytes()
    stain = Stain(name="cd3", reference="pas", chromogen=(0.27, 1, 0.78))
    with pytest.raises(StainError, match="cannot read the stain file"):
        Stain.from_toml(file)
    with pytest.raises(StainError, match="cannot read the stain file"):
        recommend_eps(stain, 0.1, file)
    assert file.read_bytes() == before


def test_a_missing_file_is_a_matter_of_its_path(tmp_path: Path) -> None:
    with pytest.raises(StainError, match="No such file") as caught:
        Stain.from_toml(tmp_path / "cd3.toml")
    assert "path" in caught.value.hint
