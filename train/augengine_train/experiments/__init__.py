"""Experiments over many trainings: the paper's Table 1 on drawn tissue, and the choice of eps."""
