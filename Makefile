PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell nproc)
WORLD := build/demo/world

WORLD_MADE = $(BIN)/python -m occludenet_build.miniworld --out $(WORLD)

.PHONY: setup demo own test test-all lint format bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(WORLD_MADE)
	$(BIN)/snakemake --cores $(CORES) --configfile demo/config.yaml -- all
	$(BIN)/python -m occludenet_build report --root build/demo --summary

# Your own videos with what the demo uses: make own VIDEOS=/path/to/folder
own: setup
	@test -d "$(VIDEOS)" || { echo 'wanted a folder: make own VIDEOS=/path/to/videos'; exit 2; }
	$(WORLD_MADE)
	mkdir -p build/own
	$(BIN)/python -c 'import json, pathlib, sys; folder = pathlib.Path(sys.argv[1]).resolve(); \
		print(json.dumps({"acquire": {"videos": str(folder)}}))' "$(VIDEOS)" > build/own/videos.yaml
	$(BIN)/snakemake --cores $(CORES) --configfile demo/own_videos.yaml build/own/videos.yaml -- all
	$(BIN)/python -m occludenet_build report --root build/own --summary

test: setup
	$(BIN)/python -m pytest -q

test-all: setup
	$(BIN)/python -m pytest -q -m 'slow or not slow'

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(WORLD_MADE)
	$(BIN)/snakemake --lint --configfile demo/config.yaml

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

bench: setup
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf build .snakemake
