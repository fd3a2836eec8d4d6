"""Everything about pixels: bytes to pixels and back, colours, tissue, markers, and pages of pictures."""
