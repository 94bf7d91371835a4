# Everything a person or CI runs. Each target does its own set-up from a hashed lock; interrupting and
# repeating is safe: a stamp is written last, and only the lock's content decides whether to install again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run-$(shell cksum < requirements/run.lock | cut -d' ' -f1)
ENGINE_STAMP := $(VENV)/.installed-engine-$(shell cksum < requirements/engine.lock | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.installed-dev-$(shell cksum < requirements/dev.lock | cut -d' ' -f1)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# PyTorch is locked apart: its CPU wheel is on no public package index, its public wheel brings 3 GB of CUDA.
TORCH ?= cpu
INSTALL_TORCH = $(PIP) install --require-hashes --no-deps -r requirements/torch-$(TORCH).lock || \
  { echo "No wheel of PyTorch for TORCH=$(TORCH): let pip find PyTorch's CPU wheels, or choose TORCH=cuda"; exit 1; }
MEASURED := tests/unit tests/properties tests/incidents tests/compat
# Half of the time is waiting for processes; a file stays in one process, which has its own local AWS.
SIDE_BY_SIDE := -n 2 --dist loadfile

.PHONY: demo test coverage check up down setup setup-dev setup-engine lock

demo: setup  ## Score sample photos (or PHOTOS=DIR) on this machine; EXIT=1 ends by itself, DAGSTER=0 without Dagster
	$(BIN)/parjanya demo $(if $(PHOTOS),--photos "$(patsubst ~/%,$(HOME)/%,$(PHOTOS))") $(if $(EXIT),--exit) $(if $(filter 0,$(DAGSTER)),--no-dagster)

up: setup  ## Start everything and leave it running
	$(BIN)/parjanya up

down: setup  ## Stop everything; state is kept
	$(BIN)/parjanya down

test: setup-dev  ## Run every test once, in two parts: only the fast ones are slowed down by counting branches
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(MEASURED) --cov --cov-report=
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(addprefix --ignore=,$(MEASURED))

coverage: setup-dev  ## Fail unless the tests reached every branch of core and control in the last `make test`
	$(BIN)/coverage report --fail-under=100

check: setup-dev  ## Run every gate that CI runs before the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint infra/templates/*.yaml

setup: $(RUN_STAMP)

setup-engine: $(ENGINE_STAMP)  ## Add PyTorch and transformers, for the engine qwen3_vl

setup-dev: $(DEV_STAMP)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Parjanya needs Python 3.11 or newer; run: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(VENV)/bin/python
	@echo "Installing from requirements/run.lock"
	$(PIP) install --require-hashes -r requirements/run.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(ENGINE_STAMP): $(RUN_STAMP)
	@echo "Installing from requirements/engine.lock and torch-$(TORCH).lock"
	$(PIP) install --require-hashes -r requirements/engine.lock
	$(INSTALL_TORCH)
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "Installing from requirements/dev.lock"
	$(PIP) install --require-hashes -r requirements/dev.lock
	$(INSTALL_TORCH)
	@touch $@

lock: setup-dev  ## Write the locks again after pyproject.toml changed
	$(BIN)/pip-compile $(LOCK_FLAGS) -o requirements/run.lock pyproject.toml
	cp requirements/run.lock requirements/engine.lock  # the same versions are preferred where both need a package
	$(BIN)/pip-compile $(LOCK_FLAGS) --extra engine --extra postgres -o requirements/engine.lock pyproject.toml
	cp requirements/engine.lock requirements/dev.lock
	$(BIN)/pip-compile $(LOCK_FLAGS) --extra engine --extra postgres --extra dev -o requirements/dev.lock pyproject.toml
	sed -n '/^torch==/,/^    # via/p' requirements/engine.lock > requirements/torch-cpu.lock
	sed -i '/^torch==/,/^    # via/d' requirements/engine.lock requirements/dev.lock
	grep '^torch==' requirements/torch-cpu.lock | sed 's/+cpu.*//' | PIP_FIND_LINKS= $(BIN)/pip-compile $(LOCK_FLAGS) -o requirements/torch-cuda.lock -

LOCK_FLAGS := --quiet --generate-hashes --no-strip-extras --allow-unsafe --no-header \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
