"""The package's own weights: trained, judged on what no training saw, replaced by what is better.

The data folder has the layout of the ``hannover`` set: ``fields_40x/{pas,cd34}.png`` at 0.25 um/px and
``cd68_glomeruli_20x/*.png`` at 0.5. More pictures of PAS, of another laboratory, come in with ``--pas``.
"""
