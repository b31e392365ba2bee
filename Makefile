# What a developer runs. BIN is where the environment has its programs:
# make test BIN=~/miniconda3/envs/octsk/bin
BIN ?= .venv/bin

.PHONY: help test slow docs bench lint

help:
	@echo "make test    the test suite, doctests included, on two cores"
	@echo "make slow    the slow tests, several minutes"
	@echo "make docs    the documentation in docs/_build/html, and a check of its links"
	@echo "make bench   the speed and memory benchmark, an hour; PARTS=\"start fits\" for some parts"
	@echo "make lint    ruff, mypy, import-linter and codespell"

test:
	$(BIN)/python -m pytest -n 2 --dist loadfile

slow:
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

docs:
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python -m docs._parts.links docs/_build/html

bench:
	$(BIN)/python -m benchmarks.speed $(if $(PARTS),--parts $(PARTS))

lint:
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
