# The two commands of a newcomer: `make demo` and `make test`. Both set up what they need in .venv.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# The first of these that is Python 3.11 or newer; name another with `make PYTHON=…`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# How the demo sends: STRATEGY=per_round, serial_bundle, nightly or per_request; bundles: LAYOUT=auto, verbatim or shared_essays.
STRATEGY ?= per_round
LAYOUT ?= auto
# How its simulated judge is, as JUDGE='judge_slope=6 retest=1 bundle_shift=0.2' (docs/simulator.md).
JUDGE ?=
# USD for shadow audits per USD that comparisons cost: 10 audits every line (docs/quality.md).
AUDIT ?= 0
# How its CJ service asks: CJ=topic writes rounds into the request topic, CJ=http posts to the gateway as today's CJ does.
CJ ?= topic
# How long and from which seeds `make chaos` strikes, on one broker or three (docs/reliability.md).
MINUTES ?= 10
SEEDS ?= 1
BROKERS ?= 1
# More arguments for pytest: `make test ARGS='-k closing -x'`.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-under-load chaos chaos-cases test-unit test-containers check bench compare lock kafka-up kafka-down clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

$(VENV)/installed: requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "roundbatch needs Python 3.11 or newer on PATH, or PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/installed ## two assignments through batch jobs at both (simulated) providers, with a ranking at the end
	$(BIN)/roundbatch demo --strategy $(STRATEGY) --layout $(LAYOUT) --cj $(CJ) $(JUDGE:%=--judge %) --audit $(AUDIT)

# Four processes on two cores: tests on Kafka wait (for sessions to run out, polls, deadlines) more than they compute.
PYTEST_ALL := $(BIN)/python -m pytest --numprocesses 4 --dist loadscope --no-loadscope-reorder
# Where Python may not keep what it has compiled, each of them compiles all tests in each run: 7 s of a core.
test test-under-load: export PYTHONDONTWRITEBYTECODE :=

test: $(VENV)/installed ## all tests; integration and chaos tests start a real Kafka of their own
	$(PYTEST_ALL) $(ARGS)

test-under-load: $(VENV)/installed ## the same beside two busy loops: no test may depend on how fast the machine is
	$(BIN)/python -m tests.harness.under_load $(PYTEST_ALL) $(ARGS)

chaos: $(VENV)/installed ## everything is killed, frozen and cut off at random, then checked: MINUTES=10 SEEDS="1 2" BROKERS=3
	$(BIN)/python -m tests.chaos.storm --minutes $(MINUTES) $(SEEDS:%=--seed %) --brokers $(BROKERS) $(ARGS)

chaos-cases: $(VENV)/installed ## the tests of kills in full length (marked `long`): more of what `make test` does briefly
	$(BIN)/python -m pytest tests/chaos -m long $(ARGS)

test-unit: $(VENV)/installed ## the unit and contract tests alone
	$(BIN)/python -m pytest tests/unit tests/model tests/contract $(ARGS)

test-containers: $(VENV)/installed ## the integration tests on a Kafka that testcontainers starts
	ROUNDBATCH_TEST_KAFKA=containers $(BIN)/python -m tests.brokers.docker_engine $(BIN)/python -m pytest tests/integration $(ARGS)

check: $(VENV)/installed ## lint, strict types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/installed ## throughput, the gateway, restarts, into build/; how well limits are used
	$(BIN)/python -m bench.throughput
	$(BIN)/python -m bench.latency
	$(BIN)/python -m bench.gateway
	$(BIN)/python -m bench.restart
	$(BIN)/python -m bench.neighbour
	$(BIN)/python -m bench.neighbour --http
	$(BIN)/python -m pytest tests/contract/test_limits_used.py -m figure -s

compare: $(VENV)/installed ## all strategies on the recorded workload, cost against time, into build/compare.html
	$(BIN)/python -m compare

# The versions of both locks are the same: those of the first bind the second.
LOCK := uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock' pyproject.toml

lock: ## pin pyproject.toml with hashes: requirements.lock to run it, requirements-dev.lock to work on it
	$(LOCK) --extra msk --extra tracing -o requirements.lock
	$(LOCK) --all-extras --constraint requirements.lock -o requirements-dev.lock

kafka-up: ## Kafka, the worker, the gateway and the simulator in containers
	docker compose -f docker-compose.kafka.yml up --detach --build

kafka-down: ## stop them and delete their volumes
	docker compose -f docker-compose.kafka.yml down --volumes

clean: ## remove what the commands made
	rm -rf $(VENV) build
