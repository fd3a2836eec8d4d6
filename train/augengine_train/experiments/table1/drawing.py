"""Who draws the experiment's tissue: the phantom, with the correlation that its world has."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from augengine_train.experiments.table1.data import Tissue
from augengine_train.phantom import Series, write_series
from augengine_train.phantom.spec import PhantomStain, deal_correlations


def draw_phantoms(tissue: Tissue, folder: Path) -> None:
    """Draw what a folder should hold; what is there already is kept.

    Raises:
        PlanMismatch: The folder holds other phantoms.
        TargetError: It cannot be written.
    """
    series = Series(
        stain=cast(PhantomStain, tissue.stain),
        count=tissue.patients * tissue.tiles,
        side=tissue.side,
        mpp=tissue.mpp,
        seed=tissue.seed,
        patients=tissue.patients,
        first_patient=tissue.first_patient,
        correlations=deal_correlations([tissue.correlation]),
    )
    write_series(series, folder)
