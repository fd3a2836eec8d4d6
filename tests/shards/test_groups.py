"""Which files of a tar make a sample, and which of them are its image and its mask: known, said, or refused by name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from augengine.errors import ContentError, SpecError
from augengine.shards.groups import MAX_STRAYS, Group, Member, Roles, check_group, group_members, parse_name
from augengine.shards.roles import IMAGE_EXTS, MASK_NAMES, NO_MASK, MemberNames, member_names

USUAL = MemberNames()


def members(names: Sequence[str]) -> list[Member]:
    found = []
    for at, name in enumerate(names):
        raw, extension = parse_name(name) or pytest.fail(f"{name} is hidden")
        found.append(Member(name=name, raw=raw, extension=extension, offset=at, size=1))
    return found


def grouped(*names: str, by: MemberNames = USUAL) -> dict[str, str]:
    """Key -> image and mask by their names, or why the sample is bad."""
    return {group.raw: told(group, by) for group in group_members(members(names), by).samples}


def told(group: Group, names: MemberNames) -> str:
    try:
        roles = check_group(group, names)
    except ContentError as error:
        return error.sentence
    return f"{roles.image.name} {roles.mask.name if roles.mask else '-'}"


def roles(*extensions: str, image: str | None = None, mask: str | None = None) -> Roles:
    names = member_names(image, mask)
    (group,) = group_members(members([f"k.{extension}" for extension in extensions]), names).samples
    return check_group(group, names)


@pytest.mark.parametrize("first", IMAGE_EXTS)
@pytest.mark.parametrize("second", IMAGE_EXTS)
def test_two_images_are_refused_by_name_and_the_options_decide(first: str, second: str) -> None:
    if first == second:
        return
    with pytest.raises(ContentError, match=rf"^it has \.{first} and \.{second}: which is the image\?$") as caught:
        roles(first, second, "json")
    assert caught.value.hint.startswith(f"say --image-member {first}, with --mask-member {second}")
    found = roles(first, second, "json", image=first, mask=second)
    assert (found.image.extension, found.mask and found.mask.extension, found.extras) == (first, second, ())
    assert roles(first, second, mask=second).image.extension == first
    assert [extra.extension for extra in roles(first, second, image=first).extras] == [second]


@pytest.mark.parametrize("name", MASK_NAMES)
@pytest.mark.parametrize("ext", ["png", "tif", "jpg"])
def test_usual_masks_are_known_beside_usual_images(name: str, ext: str) -> None:
    for image in ("png", "jpg", "image.png", "input.jpg", "img.tif"):
        found = roles(image, f"{name}.{ext}", "cls")
        assert (found.image.extension, found.mask and found.mask.extension) == (image, f"{name}.{ext}")
        assert [extra.extension for extra in found.extras] == ["cls"]


@pytest.mark.parametrize("pair", [("png", "image.png"), ("input.jpg", "image.jpg"), ("jpg", "input.jpg")])
def test_an_image_of_two_usual_names_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ContentError, match="which is the image"):
        roles(*pair)


def test_two_masks_are_refused_by_name_and_the_option_decides() -> None:
    with pytest.raises(ContentError, match=r"it has \.seg\.png and \.label\.png: which is the mask") as caught:
        roles("png", "seg.png", "label.png")
    assert caught.value.hint == "say --mask-member seg.png"
    found = roles("png", "seg.png", "label.png", mask="label.png")
    assert (found.mask and found.mask.extension, [each.extension for each in found.extras]) == (
        "label.png",
        ["seg.png"],
    )


def test_no_member_is_the_mask_where_that_is_said() -> None:
    found = roles("png", "target.png", mask=NO_MASK)
    assert (found.mask, [extra.extension for extra in found.extras]) == (None, ["target.png"])


def test_names_are_taken_as_users_write_them() -> None:
    assert member_names(".JPG", "Mask.PNG") == MemberNames(image="jpg", mask="mask.png")
    assert member_names(None, None) == USUAL


@pytest.mark.parametrize(
    ("image", "mask", "suffix"),
    [
        ("", None, "_mask"), (None, ".", "_mask"), ("png", "png", "_mask"), ("a/png", None, "_mask"),
        (None, "a b.png", "_mask"), ("json", None, "_mask"), (None, "seg.npy", "_mask"), (None, None, ""),
    ],
)  # fmt: skip
def test_names_that_name_nothing_are_refused(image: str | None, mask: str | None, suffix: str) -> None:
    with pytest.raises(SpecError) as caught:
        member_names(image, mask, suffix)
    assert caught.value.hint


def test_a_mask_of_its_own_key_is_the_mask_of_its_image() -> None:
    assert grouped("a.png", "a_mask.png", "b_mask.tif", "b.jpg") == {"a": "a.png a_mask.png", "b": "b.jpg b_mask.tif"}
    assert grouped("a.png", "a-l.png", by=MemberNames(mask_suffix="-l")) == {"a": "a.png a-l.png"}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/a.png", "masks/a.png"),
        ("Images/a.jpg", "Masks/a.png"),
        ("IMG/a.jpg", "LABELS/a.png"),
        ("train/imgs/p/a.jpg", "train/labels/p/a.png"),
        ("./images/a.jpg", "./masks/a_mask.png"),
        ("input/a.png", "target/a.tif"),
        ("a.png", "masks/a.png"),
    ],
)
def test_folders_of_images_and_masks_side_by_side_are_put_together(image: str, mask: str) -> None:
    names = [name.removeprefix("./") for name in (image, mask)]
    for pair in (names, names[::-1]):
        assert list(grouped(*pair).values()) == [" ".join(names)]


def test_a_mask_without_its_image_is_named() -> None:
    why = "it is a mask by its name, without an image beside it"
    assert grouped("a.png", "b_mask.png") == {"a": "a.png -", "b_mask": why}
    found = grouped("images/a.png", "masks/a.png", "masks/b.png", "images/c.png")
    assert found == {"images/a": "images/a.png masks/a.png", "masks/b": why, "images/c": "images/c.png -"}
    assert grouped("masks/a.png") == {"masks/a": "masks/a.png -"}, "nothing says that these are masks"


def test_a_mask_by_its_name_that_is_none_is_named() -> None:
    found = grouped("a.png", "a_mask.png", "a_mask.json")
    assert found == {"a": "a.png -", "a_mask": "it is the mask of a by its name, but that cannot be"}
    found = grouped("a.png", "a.seg.png", "a_mask.png", by=MemberNames(mask="seg.png"))
    assert found["a"] == "a.png a.seg.png"
    assert "--mask-member says otherwise" in found["a_mask"]
    assert "which is the mask" in grouped("a.png", "a.seg.png", "a_mask.png")["a"]


def test_a_sample_with_a_mask_of_its_own_is_one_whatever_its_key_ends_with() -> None:
    found = grouped("a.png", "a.seg.png", "a_mask.png", "a_mask.seg.png")
    assert found == {"a": "a.png a.seg.png", "a_mask": "a_mask.png a_mask.seg.png"}


def test_a_mask_of_a_mask_is_named() -> None:
    found = grouped("a.png", "a_mask.png", "a_mask_mask.png")
    assert found["a"] == "a.png a_mask.png"
    assert "it is the mask of a_mask by its name, but that cannot be" in found["a_mask_mask"]


def test_other_files_in_a_folder_of_masks_are_no_masks() -> None:
    found = group_members(members(["images/0.png", "labels/0.txt", "images/1.png", "labels/1.txt"]), USUAL)
    assert [group.raw for group in found.samples] == ["images/0", "images/1"]
    assert found.strays == ("labels/0.txt", "labels/1.txt")


@pytest.mark.parametrize("stray", ["LICENSE.txt", "dataset.json", "README.md", "meta/info.yaml", "stats.npy", "README"])
def test_a_file_beside_the_samples_is_no_sample(stray: str) -> None:
    found = group_members(members(["t_00.png", "t_00.json", stray, "t_01.png", "t_01.json"]), USUAL)
    assert ([group.raw for group in found.samples], found.strays, found.apart) == (
        ["t_00", "t_01"],
        (stray,),
        "." in stray,
    )


def test_what_is_left_of_a_sample_is_no_stray() -> None:
    assert "no image, only .json" in grouped("t_00.png", "t_01.json")["t_01"]
    assert "no image, only .seg.png" in grouped("t_00.png", "x.seg.png")["x"]
    assert "no image" in grouped("t_00.png", "x.txt", "x.json")["x"]
    many = grouped("t_00.png", *(f"{chr(97 + i)}.json" for i in range(MAX_STRAYS + 1)))
    assert len(many) == MAX_STRAYS + 2
    assert list(grouped("a.txt", "b.txt")) == ["a", "b"], "without any image nobody knows what a sample is"


def test_a_dot_in_a_key_is_explained() -> None:
    said = grouped("S1.2.3_x_y.png")["S1"]
    assert said.startswith("it has no image, only .2.3_x_y.png")
    assert "a key ends at the first dot of a name: rename the member" in said
    many = [f"S1.2_{number}.png" for number in range(1100)]
    assert "first dot" in grouped(*many)["S1"]


def test_neighbours_alone_are_not_apart() -> None:
    assert not group_members(members(["a.png", "a.json", "b.png"]), USUAL).apart
    assert group_members(members(["a.png", "b.png", "a.json"]), USUAL).apart
    assert group_members(members(["a.png", "a_mask.png"]), USUAL).apart
