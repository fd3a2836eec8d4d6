"""How much noise a stain bears: the paper's grid of eps, each with trainings of its own on a tenth of the data."""

from augengine_train.experiments.choose_eps.choice import Choice
from augengine_train.experiments.choose_eps.grid import GRID, Search, search

__all__ = ["GRID", "Choice", "Search", "search"]
