# Each target sets itself up: a bare machine needs python3 and make, nothing else.
# The tests take one process a core, with one thread each, in their order: the long ones come first.
# The demo has a results folder of its own: what lies recorded in results/ is not computed again.
PYTHON ?= python3
VENV   ?= .venv
READY  := $(VENV)/.ready
BIN    := $(VENV)/bin

.PHONY: demo test oldest lint audit bench docs docs-serve reliability clean help

help:            ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)   ## train FastGAN on real chest X-rays for 3 minutes, score it, show the pictures
	$(BIN)/benchbed run --method fastgan --dataset chest-mini --time 3m --precision auto --results demo

test: $(READY)   ## run the default tests (no GPU, no network; under 10 minutes on two cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder

# An environment of its own: the oldest torch, numpy and pandas that pyproject.toml allows.
OLDEST := $(VENV)-oldest

oldest:          ## run the default tests with the oldest torch, numpy and pandas that are supported
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python .ci/oldest.py > $(OLDEST)/oldest.txt
	$(OLDEST)/bin/python -m pip install --quiet --editable '.[dev]' --constraint $(OLDEST)/oldest.txt
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n auto --dist loadscope --no-loadscope-reorder

lint: $(READY)   ## ruff, mypy, and what is known to be unsafe, where that can be asked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@VENV=$(VENV) .ci/audit || echo "See SECURITY.md; this stops no lint, for it changes from day to day."

audit: $(READY)  ## fail where a weakness is known in what is installed
	VENV=$(VENV) .ci/audit install

bench: $(READY)  ## measure our speed against plain references (an hour; ARGS=--quick for minutes)
	$(BIN)/python -m pip install --quiet --editable '.[speed]'
	$(BIN)/python -m benchmarks.speed $(ARGS)

docs: $(READY)   ## generate the reference pages and build the site into site/
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/python docs/generate_reference.py docs/reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: docs ## show the site at http://127.0.0.1:8000, updated on every change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

reliability: $(READY) ## attack every promise (an hour), and write docs/reliability.md
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults -m 'slow or not slow' --reliability docs/reliability.md

clean:           ## remove the environment
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-audit
