"""What is measured, and how; results as JSON in `results/`."""
