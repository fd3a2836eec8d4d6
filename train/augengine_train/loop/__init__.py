"""What every training shares: checkpoints, logs, how often what happens, and how its commands report."""
