"""How much noise a stain bears: the paper's grid of eps, each with trainings of its own on a tenth of the data."""

from train.choose_eps.choice import Choice
from train.choose_eps.grid import GRID, Search, search

__all__ = ["GRID", "Choice", "Search", "search"]
