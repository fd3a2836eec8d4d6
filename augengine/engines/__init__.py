"""Compiled generators: one seam (`base`), three backends, the store that finds them and the noise budget."""
