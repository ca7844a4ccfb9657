# What a person types here. `make` alone shows the list.

PYTHON ?=
ARGS ?=
JOBS ?= 2
export PYTHON

VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run env dev test test-peers check bench lock dist clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@echo '  PYTHON=python3.12 chooses the interpreter; ARGS="…" goes to the program that is run'

run: env ## Start the desk on the shipped config; it prints how to write to it
	@$(BIN)/ticketgate run --config config $(ARGS)

env: ## Make .venv, so that .venv/bin/ticketgate works
	@tools/env runtime

dev: ## The same with what tests and checks need
	@tools/env dev

test: dev test-peers ## Run all tests; installs Dovecot, Postfix, swaks, PostgreSQL where it may
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

test-peers: ## Install the servers that the tests talk to
	@tools/test-peers

check: dev ## Style, types and the rules of the house
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/tidy

bench: dev test-peers ## Measure; ARGS="--help" tells what can be chosen
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## Write requirements/*.txt anew; ARGS=--upgrade takes newer versions
	@tools/lock $(ARGS)

dist: dev ## Build the wheel and the source archive into dist/
	@$(BIN)/python -m hatchling build

clean: ## Remove .venv and everything made, but not var/ with its mail
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: simulate
simulate: dev ## A seeded world of people and faults; SEED=7 MAILS=10000
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) --mails $(or $(MAILS),10000) $(ARGS)
