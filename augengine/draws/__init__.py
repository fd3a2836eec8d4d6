"""Every random number: keyed by seed, sample and variant, so that it depends on nothing else."""
