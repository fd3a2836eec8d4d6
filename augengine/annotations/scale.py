"""The frame of a picture that shows the whole slide at another resolution."""

from __future__ import annotations

from augengine.errors import SourceError


def scale_to_slide(width: int, height: int, slide_width: int, slide_height: int, *, what: str) -> tuple[float, float]:
    """Level-0 pixels that one of a picture's pixels is wide and high.

    Args:
        width, height: The picture, in its own pixels.
        slide_width, slide_height: The slide, in level-0 pixels.
        what: The picture, for the message.

    Raises:
        SourceError: Its shape is not the slide's, by more than the rounding of its size.
    """
    x, y = slide_width / width, slide_height / height
    if abs(slide_width / y - width) > 1 and abs(slide_height / x - height) > 1:
        message = (
            f"{what} is {width} x {height} px, which is not the shape of the slide ({slide_width} x {slide_height})"
        )
        raise SourceError(message, hint="it must show the whole slide, at level 0 or smaller by one factor")
    return x, y
