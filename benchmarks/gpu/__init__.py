"""The GPU path checked and measured by one command: ``python -m benchmarks.gpu``. Not yet run on a GPU."""
