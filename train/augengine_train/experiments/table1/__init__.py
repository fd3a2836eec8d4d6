"""The paper's Table 1 and its controls on drawn tissue, in a world where markers mislead and in one where they do not.

What is measured, how it is tested and what would count as a gain was written down first: docs/notes/table1.md.
"""
