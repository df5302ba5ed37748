# cityhub. `make help` lists what there is.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HOME_DIR ?= .demo
SIZE ?= 20000
SEEDS ?= 20
AIRFLOW_PORT ?= 18480
HUB_PORT ?= 18470
REST_PORT ?= 18473
PORTS = --airflow-port $(AIRFLOW_PORT) --hub-port $(HUB_PORT) --rest-port $(REST_PORT)

.DEFAULT_GOAL := help
.PHONY: help demo test faults check lock clean install

help: ## what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## the demo city on real Airflow; ONCE=1 ends by itself, SIZE=200000 makes it larger
	@$(PYTHON) examples/demo_city/preflight.py --home $(HOME_DIR) $(PORTS)
	@$(MAKE) -s install
	@$(BIN)/python -m examples.demo_city.demo --home $(HOME_DIR) --size $(SIZE) $(PORTS) $(if $(ONCE),--once)

test: install ## every test, real servers included; SEED=1 draws one order of them again
	$(BIN)/python -m pytest -n 2 --dist loadfile $(if $(SEED),--randomly-seed=$(SEED))

faults: install ## the long fault campaign, its figures at the end; SEEDS=20 kills per crash point and kind of source
	FAULT_SEEDS=$(SEEDS) $(BIN)/python -m pytest -n 2 --dist load tests/faults

check: install ## linters, types, import rules, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

lock: install ## pin every dependency with its hashes, without any address
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url -o requirements.lock

clean: ## remove the demo's data and all caches (not the environment)
	rm -rf $(HOME_DIR) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "✗ $$($(PYTHON) --version) is not 3.11 to 3.13 → make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "✗ Python has no venv → apt install python3-venv"; exit 1; }
	@echo "installing into $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@
