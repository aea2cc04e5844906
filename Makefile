# The commands of this project. `make` alone prints them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STATE ?= .kontrib
CONTRIBUTIONS ?=
WEEK ?=
SIZES ?=
KEEP ?=
AGAIN ?=
TESTS ?= tests
# For two cores: many tests wait for the chain. Raise it on a larger machine.
WORKERS ?= 3

.PHONY: help
help: ## Print the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or later is needed, as $(PYTHON)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11. Name another one: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) 2>/dev/null \
	  || { apt-get update -q && apt-get install -qy python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(READY) ## Make the virtual environment, from locked and hashed packages

.PHONY: demo
demo: $(READY) ## Pay a whole week on real parts: CONTRIBUTIONS=file.jsonl.gz WEEK=2022-W41 KEEP=1
	@$(BIN)/python -m deploy.local demo --state $(STATE) \
	  $(if $(CONTRIBUTIONS),--contributions $(CONTRIBUTIONS)) $(if $(WEEK),--week $(WEEK)) $(if $(KEEP),--keep)

.PHONY: up
up: $(READY) ## Start engine, Redis, chain, worker, beat and Flower, and leave them running
	@$(BIN)/python -m deploy.local up --workers --state $(STATE)

.PHONY: down
down: $(READY) ## Stop the services of `make up` or of a kept demo; the data stays
	@$(BIN)/python -m deploy.local down --state $(STATE)

.PHONY: test
test: $(READY) ## Run all tests, against the real engine, Redis and chain; TESTS=path for some
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(TESTS)

.PHONY: foreign
foreign: $(READY) ## Run pymongo's own tests on the local MongoDB engine
	$(BIN)/python -m pytest tests/deploy/local/mongo/foreign

.PHONY: test-cluster
test-cluster: $(READY) ## Prove contracts and a week on your cluster and MongoDB: see CONTRIBUTING.md
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile tests/contracts tests/cluster

.PHONY: check
check: $(READY) ## ruff, mypy --strict, import-linter, sizes, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python deploy/sizes.py
	$(BIN)/python deploy/audit.py

.PHONY: audit
audit: $(READY) ## Look the locked packages up in the public advisory databases
	$(BIN)/python deploy/audit.py

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
COMMIT = $(shell git rev-parse --short=12 HEAD)$(shell git diff --quiet HEAD || echo .changed)

.PHONY: wheel
wheel: $(READY) ## Build the wheel into dist/, labelled with version and commit
	@printf '[egg_info]\ntag_build = +%s\n' "$(COMMIT)" > $(VENV)/commit.cfg
	DIST_EXTRA_CONFIG=$(abspath $(VENV)/commit.cfg) $(BIN)/pip wheel --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/kontrib-*.whl

.PHONY: image
image: ## Build the image kontrib:VERSION-COMMIT, also tagged kontrib:latest
	docker build --file deploy/Dockerfile --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) \
	  --tag kontrib:$(VERSION)-$(COMMIT) --tag kontrib:latest .

.PHONY: lock
lock: ## Resolve the dependencies anew and write the lock files, with hashes
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile pyproject.toml --extra s3 --extra gcs --extra pkcs11 --upgrade --universal --python-version 3.11.0 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet -o requirements.lock
	$(VENV)-lock/bin/uv pip compile pyproject.toml --extra dev --upgrade --universal --python-version 3.11.0 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet -o requirements-dev.lock
	rm -rf $(VENV)-lock

.PHONY: bench
bench: $(READY) ## Measure weeks of a thousand to a million rewards (40 minutes); some: SIZES=1000,10000
ifdef SIZES
	$(BIN)/python -m bench --sizes $(SIZES) --no-calculation
else
	@missed=0; for part in "bench --into docs/benchmarks" bench.queries bench.network; do \
	  $(BIN)/python -m $$part || missed=1; done; exit $$missed
endif

.PHONY: simulate
simulate: $(READY) ## Simulate years of weeks under random faults: SEED=1 WEEKS=50
	$(BIN)/python -m tests.simulation --seed $(or $(SEED),1) --weeks $(or $(WEEKS),50)

.PHONY: chaos
chaos: $(READY) ## Run real processes under many faults: KILLS=200 SEED=1
	$(BIN)/python -m tests.chaos --kills $(or $(KILLS),200) --seed $(or $(SEED),1)

.PHONY: mutants
mutants: $(READY) ## Change the money path a word at a time: the tests must notice; AGAIN=1 tries the rest longer
	$(BIN)/python -m tests.mutants --workers $(WORKERS) $(if $(AGAIN),--again)

.PHONY: docs
docs: $(READY) ## Write the reference pages from the code, and build the site into site/
	$(BIN)/python -m deploy.reference
	$(BIN)/zensical build --clean --strict

.PHONY: screenshots
screenshots: $(READY) ## Make the pictures in docs/images anew, in a real browser
	$(BIN)/python -m tests.screenshots

.PHONY: clean
clean: ## Stop the local stack and remove what make made; names the data and keys that it leaves
	@test ! -x $(BIN)/python || $(BIN)/python -m deploy.local down --state $(STATE) || true
	@test -e $(STATE)/kept || rm -rf $(STATE)
	rm -rf $(VENV) build dist mutants site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@for left in $(STATE) .kontrib*/ .env deploy/keys; do \
	  test ! -e $$left || echo "Left: $${left%/}. Delete it yourself when you no longer need it."; \
	done | sort -u
