"""Values that lie beside the weights of a checkpoint and are harmless: they are read as empty stand-ins.

A stand-in takes the place of the class that the file names, so that not even a harmless foreign class is called.
"""

from __future__ import annotations

from typing import Any

_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
VALUES: tuple[str, ...] = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    *(f"{room}.{system}Path" for room in ("pathlib", "pathlib._local") for system in ("Posix", "Windows")),
    *(f"{room}.Pure{system}Path" for room in ("pathlib", "pathlib._local") for system in ("Posix", "Windows")),
    *(f"{room}.{function}" for room in _NUMPY for function in ("scalar", "_reconstruct")),
    "numpy.dtype",
    "numpy.ndarray",
    *(f"omegaconf.{name}" for name in ("dictconfig.DictConfig", "listconfig.ListConfig", "nodes.AnyNode")),
    *(f"omegaconf.base.{name}" for name in ("ContainerMetadata", "Metadata")),
    *("typing.Any", "builtins.dict", "builtins.list"),
    "datetime.datetime",
    "datetime.date",
    "datetime.timedelta",
    "datetime.timezone",
)
"""Classes and functions whose values are passed over."""

MAPPINGS: tuple[str, ...] = (
    "collections.defaultdict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    *(f"{room}.utilities.data.AttributeDict" for room in ("lightning_fabric", "lightning.fabric")),
)
"""Kinds of dictionaries; what they hold may be weights."""


class Inert:
    """Stands for a value that is passed over, however it is made."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        """Pass over what the value was."""


class Plain:
    """Stands for a kind of dictionary: what is made of it is a plain one, which the file then fills."""

    def __new__(cls, *_: Any) -> Any:
        """An empty dictionary."""
        return {}


def inert_globals() -> list[tuple[type[Inert] | type[Plain], str]]:
    """What `torch.serialization.safe_globals` takes: each name of the closed list with its stand-in."""
    return [*((Inert, name) for name in VALUES), *((Plain, name) for name in MAPPINGS)]
