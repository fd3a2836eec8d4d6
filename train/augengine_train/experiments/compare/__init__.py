"""Does it help on my data? Segmenters with and without each augmentation, tested patient by patient.

`plan` says what is run, `folds` who is tested, `arms` writes what each arm shows, `cell` trains and measures one
segmenter, `analysis` tests and judges, `report` writes it down.
"""
