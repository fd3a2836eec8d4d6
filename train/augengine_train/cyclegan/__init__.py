"""A pair of generators trained on two unpaired sets of pictures, judged on held-out tissue, and exported."""
