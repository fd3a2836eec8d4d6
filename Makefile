# Every target sets up what it needs in .venv, from PyPI alone.
PYTHON ?= python3
BIN := .venv/bin
# Without a network: WHEELS=folder of wheels; VENV_OPTIONS=--system-site-packages keeps what the machine has.
PIP := $(BIN)/pip install --disable-pip-version-check --constraint constraints.txt $(if $(WHEELS),--no-index --find-links $(WHEELS))
SETUP := pyproject.toml constraints.txt

.PHONY: help install install-train install-gpu demo test slow soak lint check docs wheel bench gpu-check weights phantom-weights table1 clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

install: .venv/installed ## .venv with what augment and build-engines need (no torch)

install-train: .venv/installed-train ## the same, and torch for trainings and open_dataset

install-gpu: .venv/installed-gpu ## .venv with what gpu-check needs: the tests' packages, TensorRT for RTX and CuPy

demo: install ## augmented shards of drawn tissue, and pictures of how the markers move: demo.png, demo.gif
	$(BIN)/augengine augment --stain cd68 --eps 0.2 --variants 4 --include-source --out demo/
	$(BIN)/augengine verify demo/
	$(BIN)/augengine sheet demo/ --out demo.png --flicker demo.gif

# A process that dies fails the run; pytest-xdist would start another and may wait for it for ever.
PROCESSES ?= 2
test: .venv/installed-dev .venv/installed-readers ## the tests that need no GPU
	$(BIN)/pytest -n $(PROCESSES) --dist loadgroup --max-worker-restart 0 -m "not gpu and not slow"

slow: .venv/installed-dev .venv/installed-readers ## what takes minutes: large slides, soaks, hanging workers
	$(BIN)/pytest -m slow

# A short one: SOAK_OPTIONS="--shards 40 --out soak.json"; on an S3 server with faults: "--store s3"
SOAK_OPTIONS ?= --samples 16
soak: .venv/installed-dev ## 2000 shards while workers, nodes and the driver are killed: SOAK_OPTIONS=...
	$(BIN)/python -m benchmarks.soak $(SOAK_OPTIONS)

# Long, above all without bfloat16. A short one: BENCH_OPTIONS="--sides 256 --variants 1 --rounds 3" FLEET_OPTIONS="--samples 40"
bench: .venv/installed-dev ## throughput of every stage, of the whole beside plain loops, of two workers: BENCH_OPTIONS=...
	$(BIN)/python -m benchmarks.speed $(BENCH_OPTIONS)
	$(BIN)/python -m benchmarks.speed.picture
	$(BIN)/python -m benchmarks.fleet $(FLEET_OPTIONS)

# On a machine with an NVIDIA GPU; without make, and what it needs: docs/guide/gpu.md. A short one: GPU_OPTIONS="--seconds 300 --part ceilings --part engines"
gpu-check: .venv/installed-gpu ## the gpu tests, then the GPU path measured part by part: GPU_OPTIONS=...
	$(BIN)/python -m benchmarks.gpu $(GPU_OPTIONS)

lint: .venv/installed-dev ## ruff, mypy and the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test docs ## all that continuous integration runs

docs: .venv/installed-docs ## the documentation site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

wheel: .venv/bin/python ## a wheel, in dist/
	$(BIN)/pip wheel --disable-pip-version-check --no-deps --wheel-dir dist .

# Hours on a CPU. What it replaces, and only if it is better, is committed by hand: WEIGHTS_OPTIONS=--replace
DATA ?= ../shared/data/hannover
weights: .venv/installed-dev ## train the package's pairs anew and compare them: DATA=folder WEIGHTS_OPTIONS=...
	$(BIN)/augengine train weights --data $(DATA) --resume $(WEIGHTS_OPTIONS)

# Hours on a CPU; typed again, it goes on. PHANTOM_OPTIONS="--steps 40000 --stain cd68"
phantom-weights: .venv/installed-dev ## train pairs on drawn tissue and measure the paper's findings: PHANTOM_OPTIONS=...
	$(BIN)/augengine train phantom-weights --out runs/phantom --resume $(PHANTOM_OPTIONS)

# An hour or more on two cores, once `make phantom-weights` has run; typed again, it goes on. TABLE1_OPTIONS=--full: see docs/notes/table1.md
table1: .venv/installed-dev ## the paper's Table 1 and its controls on drawn tissue: docs/notes/table1.md
	OMP_NUM_THREADS=1 $(BIN)/augengine train table1 --workers 2 $(TABLE1_OPTIONS)

clean: ## remove the environment and what the demo made
	rm -rf .venv demo demo.png demo.gif site dist build

.venv/bin/python:
	$(PYTHON) -m venv $(VENV_OPTIONS) .venv

.venv/installed: $(SETUP) | .venv/bin/python
	$(PIP) --editable .[write]
	@touch $@

.venv/installed-dev: $(SETUP) | .venv/installed
	$(PIP) --editable .[dev]
	@touch $@

.venv/installed-train: $(SETUP) | .venv/installed
	$(PIP) --editable .[write,train]
	@touch $@

.venv/installed-readers: tests/readers.txt | .venv/installed-dev
	rm -rf .venv/readers
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target .venv/readers --requirement $<
	@touch $@

.venv/installed-docs: $(SETUP) | .venv/installed
	$(PIP) --editable .[write,docs]
	@touch $@

.venv/installed-gpu: $(SETUP) | .venv/installed-dev
	$(PIP) --editable .[dev,rtx]
	@touch $@
