"""Slides: OpenSlide's formats and plain pictures behind one seam (`base.SlideFile`), read at any um/px."""

from augengine.slides.slide import Scale, Slide, open_slide, readers_version

__all__ = ["Scale", "Slide", "open_slide", "readers_version"]
