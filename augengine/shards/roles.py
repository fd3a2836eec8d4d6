"""Which member of a sample is its image and which its mask: by the usual names, or by what the user says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from augengine.errors import ContentError, SpecError
from augengine.spec import MASK_SUFFIX

IMAGE_EXTS = ("png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp")
"""Formats that are read as images, by the last extension of a name."""

IMAGE_NAMES = ("image", "img", "input")
"""What stands before the format in the usual names of images: ``k.image.png``; ``k.png`` is usual too."""

MASK_NAMES = ("seg", "mask", "label", "target")
"""What stands before the format in the usual names of masks: ``k.seg.png``."""

NO_MASK = "none"
"""The name of a mask that says that no member is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberNames:
    """How the image and the mask of a sample are told from its other members.

    Attributes:
        image: What the image's name has after the key, such as ``jpg`` or ``input.jpg``; empty for the usual names.
        mask: The same of the mask; `NO_MASK` if no member is one.
        mask_suffix: What a mask of its own key has after the key of its image: ``k_mask.png`` for ``k.png``.

    Raises:
        SpecError: Image and mask have one name, a name has a slash or a space, or the suffix is empty.
    """

    image: str = ""
    mask: str = ""
    mask_suffix: str = MASK_SUFFIX

    def __post_init__(self) -> None:
        hint = "name what follows the key, such as jpg, image.png or seg.png"
        for option, name in (("--image-member", self.image), ("--mask-member", self.mask)):
            if not name.isprintable() or name.startswith(".") or name != name.lower() or set(name) & set("/\\ "):
                raise SpecError(f"{option} is the end of a member's name, got {name!r}", hint=hint)
            if name and not is_picture(name) and (option, name) != ("--mask-member", NO_MASK):
                raise SpecError(f"{option} names no picture: {name!r}", hint=f"{', '.join(IMAGE_EXTS)} are read")
        if self.image and self.image == self.mask:
            raise SpecError(f"--image-member and --mask-member are both {self.image!r}", hint=hint)
        if not self.mask_suffix:
            raise SpecError("--mask-suffix is empty", hint="leave it out for _mask")

    def may_be_image(self, name: str) -> bool:
        """Whether a member can be the image by its extension: that of the option, or a usual one."""
        if self.image:
            return name == self.image
        return name != self.mask and (name in IMAGE_EXTS or _is_usual(name, IMAGE_NAMES))

    def image_of(self, extensions: Sequence[str]) -> str:
        """The image among the extensions of a sample's members.

        Raises:
            ContentError: None of them is an image, or several may be it.
        """
        found = [name for name in extensions if self.may_be_image(name)]
        if len(found) > 1:
            hint = f"say --image-member {found[0]}, with --mask-member {found[1]} if that is its mask"
            raise ContentError(f"it has {_listed(found)}: which is the image?", hint=hint)
        if not found:
            what = f"image .{self.image}" if self.image else "image"
            raise ContentError(f"it has no {what}, only {_listed(extensions)}", hint=dotted_hint(extensions))
        return found[0]

    def mask_of(self, extensions: Sequence[str], image: str, beside: Sequence[str] = ()) -> str | None:
        """The extension of the mask among a sample's members, or None.

        Args:
            extensions: Those of its members.
            image: That of its image.
            beside: Names of masks that lie beside the sample under a key of their own.

        Raises:
            ContentError: Several may be it.
        """
        if self.mask:
            return self.mask if self.mask in extensions else None
        named = [name for name in extensions if name != image and is_mask_name(name)]
        if len(named) + len(beside) > 1:
            shown = [f".{name}" for name in named] + list(beside)
            hint = f"say --mask-member {named[0]}" if named else "remove one"
            raise ContentError(f"it has {' and '.join(shown)}: which is the mask?", hint=hint)
        return named[0] if named else None


def member_names(image: str | None, mask: str | None, mask_suffix: str = MASK_SUFFIX) -> MemberNames:
    """The names as a user writes them: with or without the dot, in any case; None for the usual ones.

    Raises:
        SpecError: They are malformed, empty or equal.
    """
    for option, name in (("--image-member", image), ("--mask-member", mask)):
        if name is not None and not name.lstrip("."):
            raise SpecError(f"{option} is empty", hint="leave it out for the usual names")
    plain = [(name or "").removeprefix(".").lower() for name in (image, mask)]
    return MemberNames(image=plain[0], mask=plain[1], mask_suffix=mask_suffix)


def is_mask_name(name: str) -> bool:
    """Whether an extension is a usual one of masks: ``seg.png``, ``label.tif`` ..."""
    return _is_usual(name, MASK_NAMES)


def _is_usual(name: str, usual: Sequence[str]) -> bool:
    first, dot, last = name.partition(".")
    return bool(dot) and first in usual and last in IMAGE_EXTS


def extension_format(name: str) -> str:
    """The format that an extension ends with: ``png`` of ``seg.png``."""
    return name.rpartition(".")[2]


def is_picture(name: str) -> bool:
    """Whether an extension ends with a format of images, whatever stands before it."""
    return extension_format(name) in IMAGE_EXTS


def dotted_hint(extensions: Iterable[str]) -> str:
    """The next step where members are pictures by their last extension, and none of the names is known."""
    dotted = next((name for name in extensions if "." in name and is_picture(name)), None)
    if dotted is None:
        return ""
    return f"a key ends at the first dot of a name: rename the member, or say --image-member {dotted}"


def _listed(extensions: Sequence[str]) -> str:
    shown = [f".{name}" for name in extensions]
    return ", ".join(shown[:-1]) + " and " + shown[-1] if len(shown) > 1 else "".join(shown)
