"""Which variant of which source a sample is, by its json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from augengine.errors import ContentError
from augengine.sample import SOURCE_VARIANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a stored sample comes from.

    Attributes:
        source_key: The key of its source; its own where it is one.
        variant: Which variant of the source; 0 is the source itself.
        written: How many variants were written of the source; None where its json says nothing.
    """

    source_key: str
    variant: int = SOURCE_VARIANT
    written: int | None = None

    @classmethod
    def read(cls, meta: Mapping[str, Any], key: str) -> Self:
        """The origin of a sample.

        Args:
            meta: Its json; of a source as any tool writes it, or of what `augment` wrote.
            key: Its key.

        Raises:
            ContentError: The fields have other types, or the variant is negative.
        """
        variant, source_key, written = (meta.get(name) for name in ("variant", "source_key", "variants"))
        variant, source_key = SOURCE_VARIANT if variant is None else variant, key if source_key is None else source_key
        if not isinstance(source_key, str) or not _is_count(variant):
            hint = "was it edited by hand?"
            raise ContentError(f"it says that it is variant {variant!r} of {source_key!r}", hint=hint)
        return cls(source_key=source_key, variant=variant, written=written if _is_count(written) else None)

    @property
    def passed(self) -> bool:
        """Whether `augment` passed the source through on purpose, so that it has no variants."""
        return self.variant == SOURCE_VARIANT and self.written == 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
