"""Values that lie beside the weights of a checkpoint and are harmless: they are read as empty stand-ins.

A stand-in takes the place of the class that the file names, so that not even a harmless foreign class is called.
"""

from __future__ import annotations

from typing import Any

_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_LIGHTNING = (
    "pytorch_lightning.utilities.parsing",
    "lightning_fabric.utilities.data",
    "lightning.fabric.utilities.data",
)
NAMES: tuple[str, ...] = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    *(f"{room}.{system}Path" for room in ("pathlib", "pathlib._local") for system in ("Posix", "Windows")),
    *(f"{room}.Pure{system}Path" for room in ("pathlib", "pathlib._local") for system in ("Posix", "Windows")),
    *(f"{room}.{function}" for room in _NUMPY for function in ("scalar", "_reconstruct")),
    "numpy.dtype",
    "numpy.ndarray",
    *(f"{room}.AttributeDict" for room in _LIGHTNING),
    *(f"omegaconf.{name}" for name in ("dictconfig.DictConfig", "listconfig.ListConfig", "nodes.AnyNode")),
    *(f"omegaconf.base.{name}" for name in ("ContainerMetadata", "Metadata")),
    *("typing.Any", "collections.defaultdict", "builtins.dict", "builtins.list"),
    "datetime.datetime",
    "datetime.date",
    "datetime.timedelta",
    "datetime.timezone",
)
"""The closed list of what a checkpoint may name besides what torch itself allows."""


class Inert(dict[Any, Any]):
    """Stands for a value that is passed over; as a mapping it keeps its items, which may be weights."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """Pass over what the value was."""

    def __hash__(self) -> int:  # type: ignore[override]  # it may be a key
        return id(self)


def inert_globals() -> list[tuple[type[Inert], str]]:
    """What `torch.serialization.safe_globals` takes: the stand-in under every name of the list."""
    return [(Inert, name) for name in NAMES]
