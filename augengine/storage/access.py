"""What the environment says of a store, on its way to workers on other machines. It is shown and stored nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from augengine.storage.url import is_url

_PREFIX = "AWS_"


@dataclass(frozen=True)
class Access:
    """Settings of the environment that reach a store, credentials among them.

    Attributes:
        variables: Name -> value; no part of what is printed of it.
    """

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of_environment(cls, *places: object) -> Self:
        """This process's, if any of the places is an URL."""
        if not any(is_url(place) for place in places):
            return cls()
        return cls({name: value for name, value in os.environ.items() if name.startswith(_PREFIX)})

    def apply(self) -> None:
        """Set them in this process."""
        os.environ.update(self.variables)
