"""Generators trained elsewhere, read, checked and stored as our own: what `augengine import` does."""

from __future__ import annotations

from collections.abc import Callable

from augengine.errors import WeightsError
from augengine.importing.request import CycleErrors, Imported, ImportRequest

__all__ = ["CycleErrors", "ImportRequest", "Imported", "import_checkpoint"]


def import_checkpoint(request: ImportRequest, on_note: Callable[[str], None] = lambda _: None) -> Imported:
    """Read a checkpoint, check it, and store it as one direction of a stain's pair.

    Args:
        request: What to import as what.
        on_note: Told what was found, before anything is written.

    Raises:
        AugengineError: Nothing was written, but for the other direction that may be there already.
    """
    # Deferred: it loads torch, which nothing else on the command line needs.
    try:
        from augengine.importing.run import run_import
    except ImportError as error:
        raise WeightsError(
            f"importing a checkpoint needs another package: {error}", hint="pip install 'augengine[train]'"
        ) from error
    return run_import(request, on_note)
