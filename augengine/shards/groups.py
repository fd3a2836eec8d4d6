"""The members of a tar put together to samples, by their headers: whatever their order, by the names that they have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from augengine.errors import ContentError
from augengine.sample import check_key, clean_key, printable
from augengine.shards.pairing import pair_masks
from augengine.shards.roles import MemberNames, dotted_hint, is_mask_name, is_picture

MAX_JSON_BYTES = 1 << 20
MAX_SAMPLE_BYTES = 1 << 28
MAX_MEMBERS = 1000
MAX_STRAYS = 8
"""Files in a tar that belong to no sample; where there are more, they are what is left of samples without images."""

LOST_MASK = "it is a mask by its name, without an image beside it"

# webdataset's rules: the key ends at the first dot of the file's name; other names are no samples, nor is __x__.
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")
_SKIPPED = re.compile(r"__[^/]*__($|/)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a tar, by its header.

    Attributes:
        name: As it stands in the tar.
        raw: Its key as it stands in the tar, without ``./``; empty for a name without an extension.
        extension: What follows the key, in lower case.
        offset, size: Its first byte in the tar, and how many.
        link: What it is instead of a file: a symbolic or hard link, and to what; empty for a file.
    """

    name: str
    raw: str
    extension: str
    offset: int
    size: int
    link: str = ""


@dataclass(slots=True)
class Group:
    """The members of one sample, unchecked.

    Attributes:
        raw: Its key as it stands in the tar.
        members: In the tar's order; of very many only `MAX_MEMBERS` and one.
        beside: Masks of this sample that have a key of their own: ``k_mask.png``, ``masks/k.png``.
        reason: Why it is bad by its name; empty if it is not.
    """

    raw: str
    members: list[Member] = field(default_factory=list)
    beside: list[Member] = field(default_factory=list)
    reason: str = ""

    @property
    def key(self) -> str:
        """Its key in a dataset."""
        return clean_key(self.raw)

    @property
    def name(self) -> str:
        """Its first member's name; its raw key if it has none."""
        return self.members[0].name if self.members else self.raw

    @property
    def lone(self) -> Member | None:
        """Its member, if it is the only one and a picture without a further name; else None."""
        one = self.members[0] if len(self.members) == 1 else None
        return one if one is not None and "." not in one.extension and is_picture(one.extension) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """The samples of a tar.

    Attributes:
        samples: In the order of their first members.
        strays: Names of files that belong to no sample.
        apart: Whether the groups are other than a reader finds who puts neighbours with one key together.
    """

    samples: tuple[Group, ...]
    strays: tuple[str, ...]
    apart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The members of a sound sample: its image, its mask, its json, and those that travel along."""

    image: Member
    mask: Member | None
    meta: Member | None
    extras: tuple[Member, ...]

    @property
    def all(self) -> tuple[Member, ...]:
        """All of them, the image first."""
        return tuple(m for m in (self.image, self.mask, self.meta, *self.extras) if m is not None)


def parse_name(name: str) -> tuple[str, str] | None:
    """Raw key and extension of a member's name, as webdataset parts them.

    Both are empty for a name without an extension, which belongs to no sample. None for hidden files and ``__x__``,
    which every reader passes over.
    """
    if _SKIPPED.match(name) or name.rpartition("/")[2].startswith("."):
        return None
    parts = _NAME.fullmatch(name)
    return (parts[1], parts[2].lower()) if parts else ("", "")


def group_members(members: Iterable[Member], names: MemberNames) -> Grouped:
    """Put the members of a tar together to samples.

    Args:
        members: All of them, in the tar's order.
        names: Which are images and masks.
    """
    groups: dict[str, Group] = {}
    nameless: list[str] = []
    last, apart = "", False
    for member in members:
        if not member.raw:
            nameless.append(member.name)
            continue
        group = groups.setdefault(member.raw, Group(member.raw))
        apart |= bool(group.members) and member.raw != last
        if len(group.members) <= MAX_MEMBERS:
            group.members.append(member)
        last = member.raw
    joined = _join_masks(groups, names)
    strays = _strays([group for raw, group in groups.items() if raw not in joined], names)
    kept = tuple(group for raw, group in groups.items() if raw not in joined and raw not in strays)
    shown = (*(stray.name for stray in strays.values()), *nameless)
    return Grouped(samples=kept, strays=tuple(map(printable, shown)), apart=apart or bool(joined or strays))


def _join_masks(groups: Mapping[str, Group], names: MemberNames) -> set[str]:
    """Raw keys of the groups that are masks of other ones, to which they are added; a lost mask gets its reason."""
    images = {raw: group for raw, group in groups.items() if _has_image(group, names)}
    masks = images | {raw: group for raw, group in groups.items() if group.lone is not None}
    pairs = pair_masks((raw for raw, group in masks.items() if not _is_whole(group, names)), images, names.mask_suffix)
    joined = {raw for raw in pairs.sound if masks[raw].lone is not None and not names.mask}
    for raw, image in pairs.images.items():
        if raw in joined:
            groups[image].beside += masks[raw].members
        else:
            why = "--mask-member says otherwise" if names.mask else "that cannot be"
            masks[raw].reason = f"it is the mask of {printable(image)} by its name, but {why}"
    for raw in pairs.lost:
        if masks[raw].lone is not None:
            masks[raw].reason = LOST_MASK
    return joined


def _has_image(group: Group, names: MemberNames) -> bool:
    return any(names.may_be_image(member.extension) for member in group.members)


def _is_whole(group: Group, names: MemberNames) -> bool:
    """Whether it is a sample with a mask of its own, whatever its key ends with."""
    masks = (is_mask_name(member.extension) or member.extension == names.mask for member in group.members)
    return _has_image(group, names) and any(masks)


def _strays(groups: Sequence[Group], names: MemberNames) -> dict[str, Member]:
    """Single files beside samples, by raw key: without an image, and with a name unlike theirs (LICENSE.txt)."""
    whole = {_pattern(group.raw) for group in groups if _has_image(group, names)}
    found = {
        group.raw: group.members[0]
        for group in groups
        if len(group.members) == 1 and not is_picture(group.members[0].extension) and _pattern(group.raw) not in whole
    }
    return found if whole and len(found) <= MAX_STRAYS else {}


def _pattern(raw: str) -> str:
    return re.sub(r"\d+", "0", raw)


def check_group(group: Group, names: MemberNames) -> Roles:
    """Check what the headers of a sample tell, and say which member is what.

    Raises:
        ContentError: It is bad by its headers.
    """
    extensions = [member.extension for member in group.members]
    if group.reason:
        raise ContentError(group.reason)
    if len(extensions) > MAX_MEMBERS:
        raise ContentError(f"it has more than {MAX_MEMBERS} members", hint=dotted_hint(extensions))
    _check_links(group)
    by_extension = {member.extension: member for member in group.members}
    if len(by_extension) < len(extensions):
        doubled = next(name for name, count in Counter(extensions).items() if count > 1)
        raise ContentError(f"it has the member .{doubled} more than once")
    image = names.image_of(extensions)
    mask = names.mask_of(extensions, image, [printable(member.name) for member in group.beside])
    used = {image, mask, "json"}
    roles = Roles(
        image=by_extension[image],
        mask=by_extension[mask] if mask is not None else next(iter(group.beside), None),
        meta=by_extension.get("json"),
        extras=tuple(member for member in group.members if member.extension not in used),
    )
    check_bytes({"json" if member is roles.meta else member.name: member.size for member in roles.all})
    check_key(group.key, tuple(member.extension for member in roles.extras))
    return roles


def _check_links(group: Group) -> None:
    for member in (*group.members, *group.beside):
        if member.link:
            hint = "pack what links point to: tar -h for symbolic links, --hard-dereference for hard links"
            raise ContentError(f"{printable(member.name)} is {printable(member.link)}, not a file", hint=hint)


def check_bytes(sizes: Mapping[str, int]) -> None:
    """Refuse a sample that is larger than any should be.

    Args:
        sizes: Bytes of each member; its json is called ``json``.

    Raises:
        ContentError: The json exceeds ``MAX_JSON_BYTES``, or everything together ``MAX_SAMPLE_BYTES``.
    """
    if (size := sizes.get("json", 0)) > MAX_JSON_BYTES:
        raise ContentError(f"its .json has {size} bytes, {MAX_JSON_BYTES} are allowed")
    if (total := sum(sizes.values())) > MAX_SAMPLE_BYTES:
        raise ContentError(f"it has {total} bytes, {MAX_SAMPLE_BYTES} are allowed")
