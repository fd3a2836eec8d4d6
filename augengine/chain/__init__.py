"""From an encoded image to its variants: one seam (`base`), two implementations (`dali`, `plain`)."""
