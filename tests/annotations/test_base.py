"""Class names: which of them are one."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augengine.annotations import class_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (" Sclerotic  Glomerulus\t", "SCLEROTIC GLOMERULUS"),
        ("Glomérule", "Glome\N{COMBINING ACUTE ACCENT}rule"),
        ("Gefäß", "GEFÄSS"),
        ("糸球体", "糸球体\N{ZERO WIDTH SPACE}"),
        ("Tumor: positive", "Tumor:\N{NO-BREAK SPACE}positive"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER G}lom\N{FULLWIDTH DIGIT ONE}", "glom1"),
        ("fibrosis", "\N{LATIN SMALL LIGATURE FI}brosis"),
        ("µm", "μm"),
        ("glomerulus", "\N{ZERO WIDTH NO-BREAK SPACE}glomerulus"),
    ],
)
def test_names_that_look_the_same_are_one_class(one: str, other: str) -> None:
    assert class_key(one) == class_key(other)


@pytest.mark.parametrize(("one", "other"), [("glomerulus", "glomeruli"), ("Gefäß", "Gefaß"), ("a b", "ab"), ("", "-")])
def test_names_that_look_different_are_two(one: str, other: str) -> None:
    assert class_key(one) != class_key(other)


@given(st.text())
def test_the_key_of_a_name_is_the_key_of_each_form_of_it(name: str) -> None:
    key = class_key(name)
    assert class_key(key) == key
    assert {class_key(normalize(form, name)) for form in ("NFC", "NFD", "NFKC")} == {key}
    assert class_key(f" {name}\n") == key
