# Needs python3 (3.11 or newer) and make; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONSAFEPATH := 1
# Without byte code on disk each command takes seconds to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-all check docs lock wheel sbom bundle clean

demo: .venv/ready
	$(BIN)/shadowgraph demo

# The tests take two cores already; threads of BLAS would only wait for each other.
test test-all: export OMP_NUM_THREADS := 1
test test-all: export OPENBLAS_NUM_THREADS := 1

test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The guides as a site for browsers, in site/; needs no network, and a broken link is an error.
docs: export NO_MKDOCS_2_WARNING := 1
docs: .venv/ready
	$(BIN)/mkdocs build --strict

# One file to install a site or a center from, with the docs and the files of deploy in it: dist/*.whl
wheel: .venv/ready
	$(BIN)/uv build --wheel --out-dir dist

# What a site or a center is made of, as CycloneDX 1.6: dist/sbom.cdx.json
sbom: .venv/ready
	mkdir -p dist
	$(BIN)/python deploy/release/parts.py sbom > dist/sbom.cdx.json

# Everything that a machine without a network needs, with an install.sh: dist/bundle.tar
bundle: wheel
	deploy/release/bundle.sh $(BIN)/python "$$(ls -t dist/shadowgraph-*.whl | head -1)" dist/bundle

lock: .venv/ready
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --quiet --custom-compile-command "make lock" -o requirements.lock

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf .venv site
