"""Pictures and masks decoded where they lie, in whatever process asks for them."""

from __future__ import annotations

import os

from augengine.errors import ContentError, SourceError
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.images import Decoder
from augengine.pictures.masks import read_mask
from augengine.spec import MAX_SIDE
from augengine_train.data.places import Place

_REPAIR = "repair or remove it"


class PlaceReader:
    """Decodes what lies at a place. It can be sent to a DataLoader's worker, which makes a decoder of its own."""

    def __init__(self) -> None:
        self._decoder: tuple[int, Decoder] | None = None

    def __getstate__(self) -> dict[str, None]:
        return {"_decoder": None}

    def image(self, place: Place) -> RgbImage:
        """uint8 (H, W, 3).

        Raises:
            SourceError: It cannot be read, or is no 8-bit RGB picture.
        """
        (outcome,) = self._own_decoder().decode([place.read()])
        if isinstance(outcome, ContentError):
            raise SourceError(f"{place.name} in {place.file}: {outcome.message}", hint=_REPAIR)
        return outcome

    def mask(self, place: Place) -> Mask:
        """Class ids, uint8 (H, W).

        Raises:
            SourceError: It cannot be read, or holds no 8-bit class ids.
        """
        try:
            return read_mask(place.read(), max_side=MAX_SIDE)
        except ContentError as error:
            raise SourceError(f"{place.name} in {place.file}: {error.message}", hint=error.hint) from error

    def _own_decoder(self) -> Decoder:
        # Its threads do not survive a fork, so that each process has its own.
        if self._decoder is None or self._decoder[0] != os.getpid():
            self._decoder = os.getpid(), Decoder(threads=1, max_side=MAX_SIDE)
        return self._decoder[1]
