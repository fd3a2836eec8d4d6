"""The sharp experiment on drawn tissue: do segmenters rely on markers, and what makes them stop?

The plan with its dates is docs/notes/reliance.md.
`plan` says what is run, `tissue` draws it, `arms` writes what each arm shows, `cell` trains and measures one segmenter,
`analysis` tests what the plan fixed, `report` writes it down.
"""
