"""A glomerulus segmenter trained from shards, with the augmentation that this project is about.

A U-Net sees every epoch each tile once: as it is, or with probability p one of its variants.
"""

from augengine_train.unet.cohort import Cohort, parse_classes, split_by_patients
from augengine_train.unet.fit import Fit, make_training, measure
from augengine_train.unet.measures import Counts, Measures
from augengine_train.unet.recipe import UnetRecipe, find_recipe
from augengine_train.unet.run import load_segmenter
from augengine_train.unet.tiles import Tile, find_tiles
from augengine_train.unet.variants import OnlineVariants, Rule, StoredVariants

__all__ = [
    "Cohort",
    "Counts",
    "Fit",
    "Measures",
    "OnlineVariants",
    "Rule",
    "StoredVariants",
    "Tile",
    "UnetRecipe",
    "find_recipe",
    "find_tiles",
    "load_segmenter",
    "make_training",
    "measure",
    "parse_classes",
    "split_by_patients",
]
