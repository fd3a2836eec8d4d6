"""Hides every package that a light install lacks (`pip install augengine torch`): import it first."""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions, requires

from tests.support.hiding import distribution_of, hide, same_form, with_dependencies

STAY = ("torch", "setuptools", "augengine")
"""Beside what augengine itself needs. torch looks for optree in the packages' metadata, which are not hidden."""


def base_dependencies() -> list[str]:
    """What `pip install augengine` installs, without an extra."""
    return [distribution_of(line) for line in requires("augengine") or [] if "extra ==" not in line]


def hidden_modules() -> set[str]:
    """Top-level modules of everything else that is installed, this project's folders left out."""
    kept = with_dependencies([*STAY, "optree", *base_dependencies()])
    ours = {"augengine", "tests"}
    return {
        module for module, owners in packages_distributions().items() if not kept & set(map(same_form, owners))
    } - ours


if "torch" not in sys.modules:
    hide(hidden_modules())
