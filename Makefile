# Of the installation, see installation/install.sh: PYTHON=/path/to/python TORCH_INDEX=URL EXTRAS=learn
PYTHON ?=
TORCH_INDEX ?=
EXTRAS ?= dev
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell nproc)
# Tests in several processes, each with whole files; more than four would want too much memory.
PYTEST := $(BIN)/python -m pytest -q -n $(CORES) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: setup wheel demo own test test-all readers golden lint format bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt installation/install.sh installation/opencv-python/pyproject.toml
	@PYTHON='$(PYTHON)' TORCH_INDEX='$(TORCH_INDEX)' EXTRAS='$(EXTRAS)' sh installation/install.sh $(VENV)
	@touch $@

# To install elsewhere: pip install --find-links dist 'occludenet-build[all]'
wheel: setup
	rm -rf build/lib # of an earlier version
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist ./installation/opencv-python .

demo: setup
	$(BIN)/occludenet demo --cores $(CORES)

# Build from your own videos: make own VIDEOS=/path/to/folder [OPTIONS="--permissive --coco"]
own: setup
	@$(BIN)/occludenet run "$(VIDEOS)" --cores $(CORES) $(OPTIONS)

test: setup
	$(PYTEST) $(OPTIONS)

test-all: setup
	$(PYTEST) -m 'not alone'
	$(BIN)/python -m pytest -q -m alone

# Of the tests of export: the programs that read its formats, in an environment of their own
readers: setup
	@cd tests && ../$(BIN)/python -m support.readers

golden: setup
	$(BIN)/python -m pytest -q -m 'slow or not slow' tests/workflow/test_golden.py --update-golden

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/python -m demo.world --out build/demo/world
	$(BIN)/snakemake --lint --configfile demo/config.yaml

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

bench: setup
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf build .snakemake
