# Every target here is listed by a bare `make`; its `##` comment is what it says there.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# What Python compiles is kept: the tests start processes by the dozen.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo serve test check check-all soak fmt lint type contracts bench benchmarks clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## build .venv with everything to serve and to test, kernels compiled

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -e '.[notebook,cluster,test,dev]'
	$(BIN)/python -m tempo_dask.kernels
	@touch $(STAMP)

demo: install ## a server with a believable shop's traces in it, and first answers
	$(BIN)/python -m tempo_dask.demo

serve: install ## a server on Tempo's ports, data in ./data
	$(BIN)/tempo-dask serve --data-dir ./data

test: install ## the tests that fit ten minutes, installation included
	$(BIN)/python -m tempo_dask.kernels
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow and not soak'

check: lint type contracts test ## what a change must pass

check-all: lint type contracts install ## every test but the soak, also those that take long
	$(BIN)/python -m pytest -n 2 --dist loadfile --hypothesis-profile night -m 'not soak'

soak: install ## a million lives of a simulated node (SEEDS=1000000), a million mutated inputs for each decoder
	SEEDS=$(or $(SEEDS),1000000) $(BIN)/python -m pytest -x -s -m soak tests/simulation tests/kernels tests/ingest

fmt: install ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: install ## ruff and codespell
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
	$(BIN)/codespell --skip '.venv,.git,*.jsonl' --ignore-words-list 'crate,nd,ser,fo,ue,te,statics,vai,stauts,nmae,eror,abd'

type: install ## mypy, strict
	$(BIN)/mypy

contracts: install ## who may import whom
	$(BIN)/lint-imports

bench: install ## TraceQL against a server of its own, two minutes; adds to what docs/performance.md draws
	$(BIN)/tempo-dask bench --spans 200000 --rounds 30 --seconds 70 --plot docs/performance-suite.svg \
		--history benchmarks/history.jsonl --history-plot docs/performance-history.svg

benchmarks: install ## every part by itself: decoding, blocks, scans, against DuckDB; a few minutes
	$(BIN)/python -m benchmarks

clean: ## remove what install made
	rm -rf .venv build *.egg-info
